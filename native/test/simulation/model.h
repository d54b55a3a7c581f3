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
  int64_t first_failed_ms = -1;
  uint64_t lease = 0;  // 0: waits
  size_t engine = 0;
  bool withheld = false;  // its lease is the dead-letter writer's
  uint64_t run = 0;       // the first lease of the run of a common lane that it is leased in; 0: of none
};

// Which keys of one partition are poison, over all its assignments in a consumer's life.
class Breaker {
 public:
  Breaker(const DispatcherOptions& options, size_t keys) : options_(&options), keys_(keys) {}

  void failed(int16_t key, int64_t now_ms) {
    if (options_->poison_after == 0 || options_->order != Order::kKey || key == kNullKey) return;
    Key& it = keys_[static_cast<size_t>(key)];
    if (++it.in_a_row >= options_->poison_after) it.open_until_ms = now_ms + options_->poison_cool_down_ms;
  }
  void succeeded(int16_t key) {
    if (key != kNullKey) keys_[static_cast<size_t>(key)] = {};
  }
  // When the key may run again; -1 where it may now.
  int64_t open_until(int16_t key, int64_t now_ms) const {
    if (options_->order != Order::kKey || key == kNullKey) return -1;
    const Key& it = keys_[static_cast<size_t>(key)];
    return it.open_until_ms > now_ms ? it.open_until_ms : -1;
  }

 private:
  struct Key {
    uint32_t in_a_row = 0;
    int64_t open_until_ms = 0;
  };

  const DispatcherOptions* options_;
  std::vector<Key> keys_;
};

// What a model shares with the world around it; outlives it.
struct Rules {
  const DispatcherOptions& options;
  size_t keys;
  const int64_t& told_ms;  // the latest time that the dispatcher was told
};

class AssignmentModel {
 public:
  AssignmentModel(const Rules& rules, Breaker& breaker, std::optional<GapMap> recovered);

  // A message was offered to the dispatcher and published. `joins`: where its key has no lane, it goes to the common
  // one.
  void publish(const Record& record, size_t size, bool joins);
  void reach_end(Offset end);
  // The lanes that may start are one common lane from now on, or there is again one for each key.
  void merge();
  void split();
  bool common() const { return common_messages_ != 0; }
  bool is_in_common_lane(Offset offset);
  // P2, P3: message `i` of a run that starts now. The first must be the lowest of a lane that is open and idle, each
  // other the lane's next.
  const Pending& start(Offset offset, bool first_of_run, uint64_t lease, size_t engine);
  // The message of this lease, with an engine or withheld; nullptr when the lease is not valid (any more).
  Pending* leased(Offset offset, uint64_t lease, bool withheld = false);
  // `completed`: by a handler.
  void settle(Pending& message, bool completed);
  // It and what is in flight above it in its lane, or in its run, wait again.
  void give_back(Pending& message);
  // The same after a failure, until `due_ms`, or until the assignment ends.
  void retry(Pending& message, int64_t due_ms);
  void block(Pending& message);
  void give_back_all(size_t engine);
  // It waits for its dead letter, and its lane with it; what is in flight above it waits again.
  void withhold(Pending& message);
  // No letter after all.
  void return_withheld(Pending& message);
  // The engine gets it with attempt 0, not to be run.
  bool is_poisoned(const Pending& message) const { return lanes_[message.lane].poisoned; }
  // Lanes whose retry is due open; returns how many.
  size_t advance(int64_t now_ms);

  // A lane that could be started now, if the engines have room. `full`: only what fills gaps.
  bool has_startable(bool full);
  // True when the log's next record lies too far above the lowest unsettled one.
  bool window_full(Offset next) const { return !pending_.empty() && next - base() >= rules_.options.max_window; }
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
  const Pending* lowest() const { return pending_.empty() ? nullptr : &pending_.front(); }
  // With engines or withheld.
  size_t in_flight() const { return in_flight_ + withheld_; }
  size_t withheld() const { return withheld_; }
  size_t lanes() const { return own_lanes_ + size_t{common()}; }
  size_t executing_lanes() const { return executing_own_lanes_ + size_t{common_in_flight_ != 0}; }
  // The same, with what is left of each run of a common lane as the one that it was.
  size_t started_lanes() const;
  size_t closed_lanes() const { return closed_lanes_; }
  size_t blocked_lanes() const { return blocked_lanes_; }
  int64_t next_due_ms() const;

 private:
  struct Lane {
    size_t messages = 0;
    size_t in_flight = 0;
    size_t withheld = 0;
    int16_t key = kNullKey;
    bool own = true;        // is one of the dispatcher's; else its messages are in the common one
    bool retry = false;     // failed, others of its run still out
    bool closed = false;    // until due_ms
    bool lingers = false;   // closed until it has a run's messages
    bool blocks = false;    // to be blocked, or blocked
    bool blocked = false;   // for the rest of the assignment
    bool poisoned = false;  // what is leased of it is not to be run
    int64_t due_ms = 0;
    uint64_t seen = 0;
  };

  bool is_recovered(Offset offset) const { return recovered_ && says_settled(*recovered_, offset); }
  uint32_t lane_for(const Record& record, bool joins);
  bool may_start(const Lane& lane) const;
  void fail(Pending& message);
  void leave(Pending& message);
  void enter(Lane& lane);
  void exit(Lane& lane);
  void remove_from_lane(uint32_t lane);
  void end_lease(uint32_t lane);
  void open(Lane& lane);
  void close_until(Lane& lane, int64_t due_ms);
  void see_end();
  void rewind(Offset to);
  std::vector<Pending>::iterator find(Offset offset);

  Rules rules_;
  Breaker* breaker_;
  std::optional<GapMap> recovered_;
  Offset position_ = -1;
  Offset highest_ = -1;
  Offset end_ = -1;
  std::vector<Pending> pending_;  // ascending offsets
  std::vector<Lane> lanes_;       // first the keys', then those of messages that have one alone
  std::vector<uint32_t> free_lanes_;
  size_t bytes_ = 0;
  size_t common_messages_ = 0;
  size_t common_in_flight_ = 0;
  size_t in_flight_ = 0;  // with engines
  size_t withheld_ = 0;
  size_t own_lanes_ = 0;
  size_t executing_own_lanes_ = 0;
  size_t closed_lanes_ = 0;
  size_t blocked_lanes_ = 0;
  uint64_t run_ = 0;  // the first lease of the common lane's latest run
  uint64_t walk_ = 0;
};

}  // namespace laneway::simulation
