// What becomes of leased messages: settlements, retries and the space that they free. See dispatcher.h.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "core/dispatcher.h"

namespace laneway {

namespace {

// A partition that stopped at its share goes on below this part of it.
constexpr double kResumeAt = 0.7;

}  // namespace

void Dispatcher::settle(std::span<const Settlement> settlements, int64_t now_ms) {
  if (settlements.empty()) return;
  const Lock lock(mutex_);
  for (const Settlement& settlement : settlements) settle_one(settlement, now_ms);
  ring();
}

void Dispatcher::settle_one(const Settlement& settlement, int64_t now_ms) {
  if (!messages_.contains(settlement.slot)) {
    ++stale_settlements_;
    return;
  }
  Message& message = messages_.at(settlement.slot);
  if (message.state != MessageState::kLeased || message.lease != settlement.lease) {
    ++stale_settlements_;
    return;
  }
  const uint32_t number = message.lane;
  switch (settlement.outcome) {
    case Outcome::kCompleted:
    case Outcome::kDeadLettered:
    case Outcome::kDropped:
      complete(settlement.slot);
      break;
    case Outcome::kRetried: {
      ++retried_;
      if (message.failed_attempts < std::numeric_limits<uint16_t>::max()) ++message.failed_attempts;
      Lane& lane = lanes_.at(number);
      const int64_t due = now_ms + settlement.delay_ms;
      lane.due_ms = lane.retry ? std::max(lane.due_ms, due) : due;
      lane.retry = true;
      give_back(settlement.slot);
      break;
    }
    case Outcome::kReleased:
      give_back(settlement.slot);
      break;
  }
  end_lease_if_done(number);
}

void Dispatcher::complete(uint32_t slot) {
  Message& message = messages_.at(slot);
  Lane& lane = lanes_.at(message.lane);
  Partition& partition = partitions_[lane.partition];
  partition.tracker.settle(message.offset);
  partition.changed = true;
  ++settled_;
  forget(partition, message);
  unlink(lane, slot);
  messages_.release(slot);
  --lane.leased;
  --partition.in_flight;
  --in_flight_;
  if (!partition.held.empty()) reopen_held(partition);
  if (partition.paused) check_space(partition);
  if (starved_) relieve();
}

// The message and what is leased after it in its lane go back: only their state changes, they never left.
void Dispatcher::give_back(uint32_t slot) {
  Lane& lane = lanes_.at(messages_.at(slot).lane);
  Partition& partition = partitions_[lane.partition];
  for (uint32_t at = slot; at != kNil; at = messages_.at(at).next) {
    Message& message = messages_.at(at);
    if (message.state != MessageState::kLeased) break;
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
  --executing_lanes_;
  if (lane.queued == 0) {
    lanes_.release(number);
    return;
  }
  if (!lane.retry) {
    make_ready(number);
    return;
  }
  lane.retry = false;
  lane.state = LaneState::kWaiting;
  timers_.push_back({lane.due_ms, number});
  std::push_heap(timers_.begin(), timers_.end(), std::greater<>{});
}

// Takes a leased message out of its lane. Nearly always it is the head; whatever stands before it is leased with it, so
// the way is a run's length at most.
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
  while (!timers_.empty() && timers_.front().due_ms <= now_ms) {
    const uint32_t lane = timers_.front().lane;
    std::pop_heap(timers_.begin(), timers_.end(), std::greater<>{});
    timers_.pop_back();
    make_ready(lane);
  }
  ring();
  return timers_.empty() ? -1 : timers_.front().due_ms;
}

// Hysteresis: a partition that was refused takes messages again only when a good part of its share is free.
void Dispatcher::check_space(Partition& partition) {
  if (!partition.paused) return;
  const auto below = [](size_t used, size_t share) {
    return static_cast<double>(used) <= static_cast<double>(share) * kResumeAt;
  };
  if (!below(partition.buffered_messages, share_messages()) || !below(partition.buffered_bytes, share_bytes())) return;
  partition.paused = false;
  if (space_listener_) space_listener_();
}

// The same for partitions that were refused for what others hold: a good part of a share is free again.
void Dispatcher::relieve() {
  const auto free = [](size_t used, size_t limit, size_t share) {
    return static_cast<double>(used) <= static_cast<double>(limit) - static_cast<double>(share) * (1 - kResumeAt);
  };
  if (!free(buffered_messages_, options_.max_buffered_messages, share_messages())) return;
  if (!free(buffered_bytes_, options_.max_buffered_bytes, share_bytes())) return;
  starved_ = false;
  for (Partition& partition : partitions_) check_space(partition);
}

void Dispatcher::set_space_listener(std::function<void()> listener) {
  const Lock lock(mutex_);
  space_listener_ = std::move(listener);
}

}  // namespace laneway
