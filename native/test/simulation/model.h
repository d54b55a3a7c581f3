// The oracle: what must be true of one assignment of one partition, kept in the plainest way there is and fed from the
// outside of the dispatcher only. It knows nothing of lanes, bits or slabs.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/dispatcher.h"
#include "test/simulation/broker.h"

namespace laneway::simulation {

// Thrown by a check; the message names the promise.
struct Broken {
  std::string what;
};

inline void require(bool holds, const char* promise, const std::string& detail) {
  if (!holds) throw Broken{std::string(promise) + ": " + detail};
}

class AssignmentModel {
 public:
  AssignmentModel(Order order, std::optional<GapMap> recovered, int64_t max_window)
      : order_(order), max_window_(max_window), recovered_(std::move(recovered)) {
    if (recovered_) position_ = recovered_->base;
  }

  // A message was offered to the dispatcher and published.
  void publish(const Record& record) {
    if (position_ < 0 || record.offset < position_) rewind(record.offset);
    position_ = record.offset + 1;
    if (is_recovered(record.offset)) return;
    const std::string lane = lane_of(record);
    waiting_[lane].insert(record.offset);
    lane_of_[record.offset] = lane;
    unsettled_.insert(record.offset);
  }

  // An end too far above the lowest unsettled message counts as soon as it is near enough.
  void reach_end(Offset end) {
    if (position_ < 0) position_ = end;
    end_ = end;
    see_end();
  }

  // P2 and P3: a run that starts now must be the lane's lowest unsettled messages, with none of the lane in flight.
  void start(const std::vector<Offset>& run, int64_t now_ms) {
    const auto found = lane_of_.find(run.front());
    require(found != lane_of_.end(), "P3",
            "a message was started that is settled or was never published: offset " + std::to_string(run.front()));
    const std::string& lane = found->second;
    require(in_flight_[lane].empty(), "P2", "lane " + lane + " is in flight twice");
    require(closed_until_[lane] <= now_ms, "P2", "lane " + lane + " started before its retry was due");
    auto expected = waiting_[lane].begin();
    for (const Offset offset : run) {
      require(expected != waiting_[lane].end() && *expected == offset, "P2",
              "lane " + lane + " started offset " + std::to_string(offset) + " out of order");
      ++expected;
      in_flight_[lane].insert(offset);
    }
  }

  void settle(Offset offset) {
    const std::string lane = lane_of_.at(offset);
    in_flight_[lane].erase(offset);
    waiting_[lane].erase(offset);
    unsettled_.erase(offset);
    lane_of_.erase(offset);
    if (waiting_[lane].empty()) closed_until_.erase(lane);
    see_end();
  }

  // The message and everything of its lane that is in flight above it wait again.
  void give_back(Offset offset, int64_t closed_until_ms) {
    const std::string& lane = lane_of_.at(offset);
    auto& flying = in_flight_[lane];
    flying.erase(flying.lower_bound(offset), flying.end());
    closed_until_[lane] = std::max(closed_until_[lane], closed_until_ms);
  }

  // P1: nothing at or above the lowest unsettled message counts as committable, and the bits say exactly what is
  // settled among what is known.
  void check(const GapMap& map) const {
    if (position_ < 0) return;
    const Offset lowest = unsettled_.empty() ? position_ : *unsettled_.begin();
    require(map.base == lowest, "P1",
            "committable offset " + std::to_string(map.base) + ", lowest unsettled " + std::to_string(lowest));
    for (Offset offset = map.base; offset <= map.highest(); ++offset) {
      const bool settled = offset < position_ ? !unsettled_.contains(offset) : is_recovered(offset);
      require(map.is_settled(offset) == settled, "P1",
              "offset " + std::to_string(offset) + " is " + (settled ? "settled" : "not settled") +
                  ", the gap map says otherwise");
    }
  }

  bool is_recovered(Offset offset) const {
    return recovered_ && offset < known_below_ && recovered_->is_settled(offset);
  }
  bool has_in_flight(Offset offset) const {
    const auto lane = lane_of_.find(offset);
    if (lane == lane_of_.end()) return false;
    const auto flying = in_flight_.find(lane->second);
    return flying != in_flight_.end() && flying->second.contains(offset);
  }
  Offset recovered_highest() const { return recovered_ ? recovered_->highest() : -1; }

 private:
  std::string lane_of(const Record& record) const {
    if (order_ == Order::kPartition) return "all";
    if (order_ == Order::kNone || !record.key) return "#" + std::to_string(record.offset);
    return "k" + *record.key;
  }

  void see_end() {
    if (end_ <= position_) return;
    if (!unsettled_.empty() && end_ - 1 - *unsettled_.begin() >= max_window_) return;
    position_ = end_;
  }

  // The log went back: what was known from `to` on is void.
  void rewind(Offset to) {
    end_ = -1;
    known_below_ = std::min(known_below_, to);
    for (auto at = unsettled_.lower_bound(to); at != unsettled_.end(); at = unsettled_.erase(at)) {
      const std::string& lane = lane_of_.at(*at);
      waiting_[lane].erase(*at);
      in_flight_[lane].erase(*at);
      if (waiting_[lane].empty()) closed_until_.erase(lane);
      lane_of_.erase(*at);
    }
  }

  Order order_;
  int64_t max_window_;
  std::optional<GapMap> recovered_;
  Offset known_below_ = kMaxOffset;
  Offset position_ = -1;
  Offset end_ = -1;
  std::set<Offset> unsettled_;
  std::map<Offset, std::string> lane_of_;
  std::map<std::string, std::set<Offset>> waiting_;
  std::map<std::string, std::set<Offset>> in_flight_;
  std::map<std::string, int64_t> closed_until_;
};

}  // namespace laneway::simulation
