// The oracle: what must be true of one assignment of one partition, kept in the plainest way there is (one sorted list
// of unsettled messages, scanned) and fed from the outside of the dispatcher only. It knows nothing of bits, rings,
// ready lists, heaps or slabs; what it counts must equal what the dispatcher counts, after every step.
#pragma once

#include <optional>
#include <vector>

#include "core/dispatcher.h"
#include "test/simulation/traffic.h"
#include "test/simulation/truth.h"

namespace laneway::simulation {

// A published message that is not settled.
struct Pending {
  Record record;
  size_t size;
  uint32_t lane;
  uint32_t failed = 0;
  uint64_t lease = 0;  // 0: waits
  size_t engine = 0;
};

class AssignmentModel {
 public:
  AssignmentModel(Order order, size_t keys, std::optional<GapMap> recovered, int64_t max_window);

  // A message was offered to the dispatcher and published.
  void publish(const Record& record, size_t size);
  void reach_end(Offset end);
  // P2, P3: message `i` of a run that starts now. The first must be the lowest of a lane that is open and idle, each
  // other the lane's next.
  const Pending& start(Offset offset, bool first_of_run, uint64_t lease, size_t engine);
  // The message of this lease; nullptr when the lease is not valid (any more).
  Pending* leased(Offset offset, uint64_t lease);
  void settle(Pending& message);
  // It and what is in flight above it in its lane wait again; `due_ms`: when it had failed, until when it is closed.
  void give_back(Pending& message, std::optional<int64_t> due_ms);
  void give_back_all(size_t engine);
  // Lanes whose retry is due open; returns how many.
  size_t advance(int64_t now_ms);

  // A lane that could be started now, if the engines have room. `full`: only what fills gaps.
  bool has_startable(bool full);
  // True when the log's next record lies too far above the lowest unsettled one.
  bool window_full(Offset next) const { return !pending_.empty() && next - base() >= max_window_; }
  // P1 and P3 bit by bit.
  void check(const GapMap& map) const;

  bool started() const { return position_ >= 0; }
  Offset base() const { return pending_.empty() ? position_ : pending_.front().record.offset; }
  Offset position() const { return position_; }
  Offset highest_settled() const { return std::max(highest_, base() - 1); }
  // An end was seen that lies too far above the lowest unsettled message.
  bool end_waits() const { return end_ >= 0; }
  bool knows_above_position() const { return recovered_ && recovered_->highest() >= position_; }
  Offset recovered_highest() const { return recovered_ ? recovered_->highest() : -1; }
  // Of what is settled and delivered; not while recovery knows of more.
  int64_t gaps() const;
  size_t messages() const { return pending_.size(); }
  size_t bytes() const { return bytes_; }
  size_t in_flight() const { return in_flight_; }
  size_t lanes() const { return lanes_in_use_; }
  size_t executing_lanes() const { return executing_lanes_; }
  size_t closed_lanes() const { return closed_lanes_; }
  int64_t next_due_ms() const;

 private:
  struct Lane {
    size_t messages = 0;
    size_t in_flight = 0;
    bool retry = false;   // failed, others of its run still out
    bool closed = false;  // until due_ms
    int64_t due_ms = 0;
    uint64_t seen = 0;
  };

  bool is_recovered(Offset offset) const { return recovered_ && says_settled(*recovered_, offset); }
  uint32_t lane_for(const Record& record);
  void leave(Pending& message);
  void remove_from_lane(uint32_t lane);
  void end_lease(uint32_t lane);
  void see_end();
  void rewind(Offset to);
  std::vector<Pending>::iterator find(Offset offset);

  Order order_;
  size_t keys_;
  int64_t max_window_;
  std::optional<GapMap> recovered_;
  Offset position_ = -1;
  Offset highest_ = -1;
  Offset end_ = -1;
  std::vector<Pending> pending_;  // ascending offsets
  std::vector<Lane> lanes_;       // first the keys', then those of messages that have one alone
  std::vector<uint32_t> free_lanes_;
  size_t bytes_ = 0;
  size_t in_flight_ = 0;
  size_t lanes_in_use_ = 0;
  size_t executing_lanes_ = 0;
  size_t closed_lanes_ = 0;
  uint64_t walk_ = 0;
};

}  // namespace laneway::simulation
