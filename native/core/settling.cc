// What becomes of leased messages: settlements, retries and the space that they free. See dispatcher.h.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "core/dispatcher.h"

namespace laneway {

namespace {

bool is_settled_by(Outcome outcome) {
  return outcome == Outcome::kCompleted || outcome == Outcome::kDropped || outcome == Outcome::kDeadLettered;
}

}  // namespace

void Dispatcher::settle(std::span<const Settlement> settlements, int64_t now_ms) {
  if (settlements.empty()) return;
  const Lock lock(mutex_);
  tell_time(now_ms);
  for (const Settlement& settlement : settlements) settle_one(settlement);
  check_space_after_settling();
  ring();
}

// The message of a lease in this state; nullptr, and counted, when it is another's, or nobody's, by now (P4).
Message* Dispatcher::find_lease(uint64_t lease, uint32_t slot, MessageState state) {
  if (messages_.contains(slot)) {
    Message& message = messages_.at(slot);
    if (message.state == state && message.lease == lease) return &message;
  }
  ++stale_settlements_;
  return nullptr;
}

void Dispatcher::settle_one(const Settlement& settlement) {
  Message* message = find_lease(settlement.lease, settlement.slot, MessageState::kLeased);
  if (message == nullptr) return;
  if (!is_settled_by(settlement.outcome)) give_back_rest_of_run(settlement.slot);
  const uint32_t number = message->lane;
  Lane& lane = lanes_.at(number);
  switch (settlement.outcome) {
    case Outcome::kCompleted:
    case Outcome::kDeadLettered:
    case Outcome::kDropped:
      complete(settlement.slot, settlement.outcome);
      break;
    case Outcome::kRetried: {
      ++retried_;
      fail(settlement.slot);
      const int64_t due = now_ms_ + settlement.delay_ms;
      lane.due_ms = lane.retry ? std::max(lane.due_ms, due) : due;
      lane.retry = true;
      give_back(settlement.slot);
      break;
    }
    case Outcome::kBlocked:
      fail(settlement.slot);
      lane.blocked = true;
      give_back(settlement.slot);
      break;
    case Outcome::kReleased:
      give_back(settlement.slot);
      break;
  }
  end_lease_if_done(number);
}

void Dispatcher::complete(uint32_t slot, Outcome outcome) {
  Message& message = messages_.at(slot);
  Lane& lane = lanes_.at(message.lane);
  Partition& partition = partitions_[lane.partition];
  partition.tracker.settle(message.offset);
  partition.changed = true;
  ++settled_;
  if (outcome == Outcome::kCompleted && lane.keyed) key_failures_.succeeded(lane.hash);
  if (outcome != Outcome::kDropped && !held_outputs_.empty()) publish_outputs(partition, message);
  if (message.state == MessageState::kWithheld) {
    --lane.withheld;
    --withheld_;
  } else {
    --lane.leased;
  }
  forget(partition, slot);
  unlink(lane, slot);
  messages_.release(slot);
  --partition.in_flight;
  --in_flight_;
  lane.since_ms = now_ms_;
  if (!partition.held.empty()) reopen_held(partition);
  if (partition.paused && (freed_.empty() || freed_.back() != lane.partition)) freed_.push_back(lane.partition);
}

// An attempt has failed. A message that was not run because its key is poison has not.
void Dispatcher::fail(uint32_t slot) {
  Message& message = messages_.at(slot);
  const Lane& lane = lanes_.at(message.lane);
  if (lane.poisoned) return;
  if (message.failed_attempts < std::numeric_limits<uint16_t>::max()) ++message.failed_attempts;
  first_failures_.try_emplace(slot, now_ms_);
  if (lane.keyed && options_.order == Order::kKey) key_failures_.failed(lane.hash, now_ms_);
}

// The message and what is leased after it in its lane go back: only their state changes, they never left.
void Dispatcher::give_back(uint32_t slot) {
  Lane& lane = lanes_.at(messages_.at(slot).lane);
  Partition& partition = partitions_[lane.partition];
  for (uint32_t at = slot; at != kNil; at = messages_.at(at).next) {
    Message& message = messages_.at(at);
    if (message.state == MessageState::kQueued) break;
    if (message.state != MessageState::kLeased) continue;
    if (!held_outputs_.empty()) drop_held_outputs(message.lease);
    message.state = MessageState::kQueued;
    message.lease = 0;
    --lane.leased;
    ++lane.queued;
    --partition.in_flight;
    --in_flight_;
  }
}

void Dispatcher::end_lease_if_done(uint32_t number) {
  Lane& lane = lanes_.at(number);
  if (lane.leased != 0) return;
  if (lane.state == LaneState::kExecuting) --executing_lanes_;
  if (lane.withheld != 0) {
    enter(lane, LaneState::kClosed);
  } else if (lane.queued == 0) {
    release_lane(number);
  } else {
    open_lane(number);
  }
}

// The lane must be empty and in no list.
void Dispatcher::release_lane(uint32_t number) {
  Partition& partition = partitions_[lanes_.at(number).partition];
  if (partition.common == number) partition.common = kNil;
  --partition.lanes;
  lanes_.release(number);
}

// Takes a settled message out of its lane. Nearly always it is the head; whatever stands before it was leased with it,
// so the way is a run's length at most.
void Dispatcher::unlink(Lane& lane, uint32_t slot) {
  uint32_t before = kNil;
  for (uint32_t at = lane.head; at != slot; at = messages_.at(at).next) before = at;
  const uint32_t next = messages_.at(slot).next;
  if (before == kNil) {
    lane.head = next;
  } else {
    messages_.at(before).next = next;
  }
  if (lane.tail == slot) lane.tail = before;
}

int64_t Dispatcher::advance(int64_t now_ms) {
  const Lock lock(mutex_);
  tell_time(now_ms);
  while (!timers_.empty() && timers_.front().due_ms <= now_ms) {
    const uint32_t number = timers_.front().lane;
    std::pop_heap(timers_.begin(), timers_.end(), std::greater<>{});
    timers_.pop_back();
    const Lane& lane = lanes_.at(number);
    if (lane.state != LaneState::kWaiting || lane.due_ms > now_ms) continue;
    --waiting_lanes_;
    make_ready(number);
  }
  ring();
  return timers_.empty() ? -1 : timers_.front().due_ms;
}

// A partition that was refused takes messages again where it has good room.
void Dispatcher::check_space(PartitionId id) {
  Partition& partition = partitions_[id];
  if (!partition.paused) return;
  const bool messages = messages_budget_.has_good_room(partition.buffered_messages);
  const bool bytes = bytes_budget_.has_good_room(partition.buffered_bytes);
  if (!messages) messages_budget_.refuse(partition.buffered_messages);
  if (!bytes) bytes_budget_.refuse(partition.buffered_bytes);
  if (!messages || !bytes) return;
  partition.paused = false;
  if (space_listener_) space_listener_(id);
}

void Dispatcher::check_space_of_all() {
  for (PartitionId id = 0; id < partitions_.size(); ++id) check_space(id);
}

// After messages were settled, once for all of them.
void Dispatcher::check_space_after_settling() {
  for (const PartitionId id : freed_) check_space(id);
  freed_.clear();
  relieve();
}

// The same for partitions that were refused for what others held.
void Dispatcher::relieve() {
  const bool messages = messages_budget_.relieves();
  const bool bytes = bytes_budget_.relieves();
  if (messages || bytes) check_space_of_all();
}

// Among the partitions that are assigned now.
void Dispatcher::divide_budgets() {
  std::vector<size_t> messages;
  std::vector<size_t> bytes;
  for (const Partition& partition : partitions_) {
    messages.push_back(partition.buffered_messages);
    bytes.push_back(partition.buffered_bytes);
  }
  messages_budget_.divide(assigned_, messages);
  bytes_budget_.divide(assigned_, bytes);
  check_space_of_all();
}

void Dispatcher::set_space_listener(std::function<void(PartitionId)> listener) {
  const Lock lock(mutex_);
  space_listener_ = std::move(listener);
}

}  // namespace laneway
