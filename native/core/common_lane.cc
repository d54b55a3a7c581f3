// One lane for the keys of a partition, while handlers take no time to speak of. See dispatcher.h.
//
// A lane for each key lets keys overtake each other. Where one engine calls handlers one after the other and each ends
// at once, there is nothing to overtake, and finding, queueing and removing a lane for nearly every message is most of
// what a message costs. So such a partition has one common lane, in the order of offsets, which is stricter than that
// of keys. Its runs are as long as a batch, because nothing else of it waits for their end.
//
// Keys whose lanes cannot start (their handler waits, or a retry or a dead letter of theirs is on its way) keep them
// beside it, so that one stalled message does not cost the others their common lane. What comes of a key that has a
// lane goes there: a key is in one lane at a time. Where such lanes may start again, they join the common one.
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

// The lanes of the partition that may start become one.
void Dispatcher::merge_lanes(Partition& partition, PartitionId id) {
  const bool has_common = partition.common != kNil;
  if (has_common && lanes_.at(partition.common).state != LaneState::kReady) return;
  if (partition.ready.count() == (has_common ? 1 : 0)) return;
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
  if (common.state == LaneState::kReady) partition.ready.remove(lanes_, partition.common);
  release_lane(partition.common);
  SplitRun run{};
  scratch_.clear();
  for (uint32_t slot = common.head; slot != kNil;) {
    const Message& message = messages_.at(slot);
    const uint32_t next = message.next;
    bool created = false;
    const uint32_t lane = find_or_create_lane(partition, id, key_of(id, message), created);
    if (created) scratch_.push_back(lane);
    append(lane, slot);
    if (message.state == MessageState::kLeased) {
      if (run.slots.empty()) run.first_lease = message.lease;
      run.last_lease = message.lease;
      run.slots.push_back(slot);
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
  forget_ended_runs(partition);
  if (run.slots.size() > 1) partition.split_runs.push_back(std::move(run));
}

void Dispatcher::split_common_lanes() {
  if (!sequential_) return;
  sequential_ = false;
  for (PartitionId id = 0; id < partitions_.size(); ++id) split_common_lane(partitions_[id], id);
}

bool Dispatcher::is_leased_in(const SplitRun& run, uint32_t slot) const {
  const Message& message = messages_.at(slot);
  return message.state == MessageState::kLeased && message.lease >= run.first_lease && message.lease <= run.last_lease;
}

// A message that is leased alone has no rest.
void Dispatcher::forget_ended_runs(Partition& partition) {
  std::erase_if(partition.split_runs, [this](const SplitRun& run) {
    return std::count_if(run.slots.begin(), run.slots.end(), [&](uint32_t slot) { return is_leased_in(run, slot); }) <=
           1;
  });
}

// Before a leased message leaves its engine unsettled: the engine forgets what follows it in its run, which in a common
// lane is of other keys, too, and in a lane that has been split meanwhile lies in theirs.
void Dispatcher::give_back_rest_of_run(uint32_t slot) {
  const uint64_t lease = messages_.at(slot).lease;
  const uint32_t number = messages_.at(slot).lane;
  const PartitionId id = lanes_.at(number).partition;
  Partition& partition = partitions_[id];
  if (partition.common == number) {
    if (messages_.at(slot).next != kNil) give_back(messages_.at(slot).next);
    split_common_lane(partition, id);
    return;
  }
  // Where failures of its key are counted, what follows of it must not meet the common lane.
  if (options_.poison_after != 0) split_common_lane(partition, id);
  for (const SplitRun& run : partition.split_runs) {
    if (lease < run.first_lease || lease > run.last_lease) continue;
    for (const uint32_t other : run.slots) {
      if (!is_leased_in(run, other) || messages_.at(other).lease <= lease) continue;
      const uint32_t lane = messages_.at(other).lane;
      give_back(other);
      if (lane != number) end_lease_if_done(lane);
    }
  }
}

}  // namespace laneway
