// See lanes.h.
#include "core/lanes.h"

namespace laneway {

namespace {
constexpr size_t kInitialBuckets = 1024;
}

Lanes::Lanes() : buckets_(kInitialBuckets) {}

uint32_t Lanes::find_or_create(uint64_t hash, uint32_t partition, bool& created) {
  size_t bucket = find_bucket(hash, partition);
  created = buckets_[bucket].lane == kNil;
  if (!created) return buckets_[bucket].lane;
  if ((keyed_ + 1) * 2 > buckets_.size()) {
    grow();
    bucket = find_bucket(hash, partition);
  }
  const uint32_t lane = acquire(partition);
  lanes_[lane].hash = hash;
  lanes_[lane].keyed = true;
  buckets_[bucket] = {hash, lane};
  ++alike_[hash % kAlike];
  ++keyed_;
  return lane;
}

uint32_t Lanes::create_alone(uint32_t partition) { return acquire(partition); }

void Lanes::release(uint32_t lane) {
  if (lanes_[lane].keyed) erase(lanes_[lane].hash, lanes_[lane].partition);
  lanes_[lane].state = LaneState::kFree;
  free_.put(lane);
  --count_;
}

void Lanes::push_back(LaneList& list, uint32_t lane) {
  lanes_[lane].next = kNil;
  if (list.empty()) {
    list.head = lane;
  } else {
    lanes_[list.tail].next = lane;
  }
  list.tail = lane;
}

void Lanes::push_front(LaneList& list, uint32_t lane) {
  lanes_[lane].next = list.head;
  list.head = lane;
  if (list.tail == kNil) list.tail = lane;
}

uint32_t Lanes::pop_front(LaneList& list) {
  const uint32_t lane = list.head;
  list.head = lanes_[lane].next;
  if (list.head == kNil) list.tail = kNil;
  lanes_[lane].next = kNil;
  return lane;
}

void Lanes::remove_after(LaneList& list, uint32_t previous) {
  if (previous == kNil) {
    pop_front(list);
    return;
  }
  const uint32_t lane = lanes_[previous].next;
  lanes_[previous].next = lanes_[lane].next;
  if (list.tail == lane) list.tail = previous;
  lanes_[lane].next = kNil;
}

uint32_t Lanes::acquire(uint32_t partition) {
  if (free_.empty()) {
    free_.add(static_cast<uint32_t>(lanes_.size()), 1);
    lanes_.emplace_back();
  }
  const uint32_t lane = free_.take();
  lanes_[lane] = Lane{};
  lanes_[lane].partition = partition;
  ++count_;
  return lane;
}

// The bucket of this partition's `hash`, or the empty one where it belongs. Equal hashes of two partitions stay two
// lanes: a lane never crosses partitions.
size_t Lanes::find_bucket(uint64_t hash, uint32_t partition) const {
  const size_t mask = buckets_.size() - 1;
  size_t at = hash & mask;
  while (buckets_[at].lane != kNil && (buckets_[at].hash != hash || lanes_[buckets_[at].lane].partition != partition)) {
    at = (at + 1) & mask;
  }
  return at;
}

void Lanes::erase(uint64_t hash, uint32_t partition) {
  const size_t mask = buckets_.size() - 1;
  size_t hole = find_bucket(hash, partition);
  buckets_[hole].lane = kNil;
  --alike_[hash % kAlike];
  --keyed_;
  for (size_t at = (hole + 1) & mask; buckets_[at].lane != kNil; at = (at + 1) & mask) {
    const size_t home = buckets_[at].hash & mask;
    // Moves back only what would not be found any more across the hole.
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    buckets_[hole] = buckets_[at];
    buckets_[at].lane = kNil;
    hole = at;
  }
}

void Lanes::grow() {
  std::vector<Bucket> old(buckets_.size() * 2);
  old.swap(buckets_);
  for (const Bucket& bucket : old) {
    if (bucket.lane != kNil) buckets_[find_bucket(bucket.hash, lanes_[bucket.lane].partition)] = bucket;
  }
}

}  // namespace laneway
