// Lanes: the FIFO of one key's messages in one partition, found by the key's hash.
//
// A lane exists only while it holds messages, so memory follows what is buffered, not how many keys there are. The
// table is open-addressed with backward-shift deletion: lanes come and go at the rate of messages, and tombstones
// would pile up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/free_slots.h"
#include "core/messages.h"

namespace laneway {

enum class LaneState : uint8_t {
  kFree,
  kReady,      // in its partition's ready list
  kExecuting,  // its head is leased
  kWaiting,    // closed until its due time: a retry, a parked poison key, or a batch that is to fill up
  kClosed,     // nothing of it runs; a message of it is withheld
  kBlocked,    // its head is not to be run again in this assignment
  kHeld,       // ready, but above what a partition with a full gap map may start; in its partition's heap of held lanes
};

struct Lane {
  uint64_t hash = 0;
  int64_t due_ms = 0;    // meaningful while kWaiting, and for a lane that waits for the rest of its lease
  int64_t since_ms = 0;  // when it came into its state; while executing, when its head became the next to be run
  uint32_t partition = 0;
  uint32_t head = kNil;  // message slots
  uint32_t tail = kNil;
  uint32_t queued = 0;    // messages that wait
  uint32_t leased = 0;    // messages with an engine
  uint32_t withheld = 0;  // messages that wait for their dead letter
  uint32_t next = kNil;   // in a list of lanes
  LaneState state = LaneState::kFree;
  bool keyed = false;     // in the table
  bool retry = false;     // its head failed: wait until due_ms before it runs again
  bool lingers = false;   // waits for more messages, not for a retry
  bool blocked = false;   // its head is to stay
  bool poisoned = false;  // what is leased of it is not to be run
};

// A FIFO of lanes through Lane::next. A lane is in one list at most.
struct LaneList {
  uint32_t head = kNil;
  uint32_t tail = kNil;
  bool empty() const { return head == kNil; }
};

class Lanes {
 public:
  Lanes();

  // The partition's lane of this hash, made if there is none; `created` says which.
  uint32_t find_or_create(uint64_t hash, uint32_t partition, bool& created);
  // The partition's lane of this hash; kNil when there is none.
  uint32_t find(uint64_t hash, uint32_t partition) const {
    return alike_[hash % kAlike] == 0 ? kNil : buckets_[find_bucket(hash, partition)].lane;
  }
  // A lane that no other message will ever join.
  uint32_t create_alone(uint32_t partition);
  // The lane must be empty and in no list.
  void release(uint32_t lane);

  Lane& at(uint32_t lane) { return lanes_[lane]; }
  const Lane& at(uint32_t lane) const { return lanes_[lane]; }
  // Lanes in use.
  size_t count() const { return count_; }
  // Upper bound of lane numbers, for walking all of them.
  size_t extent() const { return lanes_.size(); }

  void push_back(LaneList& list, uint32_t lane);
  void push_front(LaneList& list, uint32_t lane);
  uint32_t pop_front(LaneList& list);
  // Takes out the lane after `previous`, which is in the list; kNil: the first one. There must be one.
  void remove_after(LaneList& list, uint32_t previous);

 private:
  struct Bucket {
    uint64_t hash = 0;
    uint32_t lane = kNil;
  };

  static constexpr size_t kAlike = 256;

  uint32_t acquire(uint32_t partition);
  size_t find_bucket(uint64_t hash, uint32_t partition) const;
  void erase(uint64_t hash, uint32_t partition);
  void grow();

  std::vector<Lane> lanes_;
  FreeSlots free_;
  std::vector<Bucket> buckets_;
  // Of keyed lanes, by the lowest bits of their hashes. Where few keys have a lane, it spares the search for one of the
  // others' a miss of the cache, since the table stays as large as it ever was.
  std::array<uint32_t, kAlike> alike_{};
  size_t keyed_ = 0;
  size_t count_ = 0;
};

}  // namespace laneway
