// One lane for all keys of a partition, while handlers take no time to speak of. See dispatcher.h.
//
// A lane for each key lets keys overtake each other. Where one engine calls handlers one after the other and each ends
// at once, there is nothing to overtake, and finding, queueing and removing a lane for nearly every message is most of
// what a message costs. So such a partition has one common lane, in the order of offsets, which is stricter than that
// of keys. Its runs are as long as a batch, because nothing else of the partition waits for their end.
//
// It is split into the lanes of its keys before anything happens to a message that another key must not wait for: when
// it fails, is withheld or given back, when the gap map is full, when a second taker comes, and when the taker does not
// say any more that its handlers end at once. What is leased then keeps its lease, in the lane of its key, and is one
// run for its engine all the same. A split costs about 0.1 us for each message that is buffered, under the lock; so
// does a merge.
#include <algorithm>

#include "core/dispatcher.h"

namespace laneway {

namespace {

// More than this would be split in more time than the event loop can spare.
constexpr size_t kMostInCommonLane = 32'768;

}  // namespace

bool Dispatcher::is_alone(const Taker& taker) const {
  const auto is_taken = [](const Seat& seat) { return seat.taker != nullptr || seat.ward != 0; };
  return is_seated(taker) && std::count_if(seats_.begin(), seats_.end(), is_taken) == 1;
}

// Whatever lanes it has now. Where a key has failed, its own lane is needed: failures are counted by that lane's hash.
bool Dispatcher::may_have_common_lane(const Partition& partition) const {
  return sequential_ && !partition.metadata_full && options_.linger_ms == 0 && key_failures_.count() == 0 &&
         messages_budget_.most() <= kMostInCommonLane;
}

uint32_t Dispatcher::create_common_lane(Partition& partition, PartitionId id) {
  partition.common = lanes_.create_alone(id);
  ++partition.lanes;
  return partition.common;
}

// Where every lane of the partition may start, they become one.
void Dispatcher::merge_lanes(Partition& partition, PartitionId id) {
  if (partition.common != kNil || partition.ready.count() != partition.lanes || partition.ready.empty()) return;
  if (!may_have_common_lane(partition) || partition.buffered_messages > kMostInCommonLane) return;
  scratch_.clear();
  while (!partition.ready.empty()) {
    const uint32_t number = partition.ready.remove_first(lanes_);
    for (uint32_t slot = lanes_.at(number).head; slot != kNil; slot = messages_.at(slot).next) scratch_.push_back(slot);
    release_lane(number);
  }
  std::sort(scratch_.begin(), scratch_.end(),
            [this](uint32_t one, uint32_t other) { return messages_.at(one).offset < messages_.at(other).offset; });
  const uint32_t common = create_common_lane(partition, id);
  for (const uint32_t slot : scratch_) append(common, slot);
  enter(lanes_.at(common), LaneState::kReady);
  partition.ready.add(lanes_, common, head_offset(common));
}

// Every message goes to the lane of its key, in the order of offsets, with its state.
void Dispatcher::split_common_lane(Partition& partition, PartitionId id) {
  if (partition.common == kNil) return;
  const Lane common = lanes_.at(partition.common);
  if (common.state == LaneState::kExecuting) --executing_lanes_;
  if (common.state == LaneState::kReady) partition.ready.remove_first(lanes_);
  release_lane(partition.common);
  partition.split_run.clear();
  partition.split_lease = 0;
  scratch_.clear();
  for (uint32_t slot = common.head; slot != kNil;) {
    const uint32_t next = messages_.at(slot).next;
    bool created = false;
    const uint32_t lane = find_or_create_lane(partition, id, key_of(id, messages_.at(slot)), created);
    if (created) scratch_.push_back(lane);
    append(lane, slot);
    if (messages_.at(slot).state == MessageState::kLeased) {
      partition.split_run.push_back(slot);
      partition.split_lease = messages_.at(slot).lease;
    }
    slot = next;
  }
  for (const uint32_t lane : scratch_) {
    if (lanes_.at(lane).leased == 0) {
      open_lane(lane);
    } else {
      enter(lanes_.at(lane), LaneState::kExecuting);
      ++executing_lanes_;
    }
  }
}

void Dispatcher::split_common_lanes() {
  if (!sequential_) return;
  sequential_ = false;
  for (PartitionId id = 0; id < partitions_.size(); ++id) split_common_lane(partitions_[id], id);
}

// Before a leased message leaves its engine unsettled: the engine forgets what follows it in its run, which in a common
// lane is of other keys, too, and in a lane that has been split meanwhile lies in theirs.
void Dispatcher::give_back_rest_of_run(uint32_t slot) {
  const uint64_t lease = messages_.at(slot).lease;
  const uint32_t number = messages_.at(slot).lane;
  Partition& partition = partitions_[lanes_.at(number).partition];
  if (partition.common == number) {
    if (messages_.at(slot).next != kNil) give_back(messages_.at(slot).next);
    split_common_lane(partition, lanes_.at(number).partition);
  } else if (lease < partition.split_lease) {
    for (const uint32_t other : partition.split_run) {
      const Message& message = messages_.at(other);
      if (message.state != MessageState::kLeased || message.lease <= lease || message.lease > partition.split_lease) {
        continue;
      }
      const uint32_t lane = message.lane;
      give_back(other);
      if (lane != number) end_lease_if_done(lane);
    }
  }
}

}  // namespace laneway
