// Which lanes may start, and handing their messages to engines: see dispatcher.h.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "core/dispatcher.h"

namespace laneway {

namespace {

// Lanes taken from one partition before the next one has its turn.
constexpr size_t kPartitionTurn = 64;
// Message::taker is one byte.
constexpr size_t kMaxTakers = 255;
// A batch is one buffer with 32-bit positions.
constexpr size_t kMaxBatchBytes = size_t{1} << 30;

}  // namespace

bool Dispatcher::attach(Taker& taker, std::function<void()> doorbell, uint64_t ward) {
  const Lock lock(mutex_);
  split_common_lanes();
  for (size_t i = 0; i <= seats_.size() && i < kMaxTakers; ++i) {
    if (i == seats_.size()) seats_.push_back({});
    if (seats_[i].taker != nullptr || seats_[i].ward != 0) continue;
    seats_[i] = {&taker, ward};
    taker.id_ = static_cast<uint8_t>(i);
    taker.doorbell_ = std::move(doorbell);
    taker.idle_ = false;
    ring();
    return true;
  }
  return false;
}

void Dispatcher::detach(Taker& taker, int64_t now_ms) {
  const Lock lock(mutex_);
  tell_time(now_ms);
  if (!is_seated(taker)) return;
  release_leases(taker.id_);
  seats_[taker.id_] = {};
  taker.doorbell_ = nullptr;
  ring();
}

void Dispatcher::leave(Taker& taker, int64_t now_ms) {
  {
    const Lock lock(mutex_);
    if (!is_seated(taker)) return;
    Seat& seat = seats_[taker.id_];
    if (seat.ward != 0) {
      seat.taker = nullptr;
      taker.doorbell_ = nullptr;
      return;
    }
  }
  detach(taker, now_ms);
}

void Dispatcher::abandon(uint64_t ward, int64_t now_ms) {
  const Lock lock(mutex_);
  tell_time(now_ms);
  if (ward == 0) return;
  for (size_t id = 0; id < seats_.size(); ++id) {
    if (seats_[id].ward != ward || seats_[id].taker != nullptr) continue;
    release_leases(static_cast<uint8_t>(id));
    seats_[id] = {};
  }
  ring();
}

void Dispatcher::release_leases(uint8_t taker) {
  for (uint32_t number = 0; number < lanes_.extent(); ++number) {
    if (lanes_.at(number).state != LaneState::kExecuting) continue;
    for (uint32_t slot = lanes_.at(number).head; slot != kNil; slot = messages_.at(slot).next) {
      const Message& message = messages_.at(slot);
      if (message.state != MessageState::kLeased || message.taker != taker) continue;
      settle_one({message.lease, slot, 0, Outcome::kReleased});
      break;
    }
  }
}

size_t Dispatcher::take(Taker& taker, size_t max_messages, size_t max_bytes, size_t max_run, bool sequential) {
  Lock lock(mutex_);
  while (exclusive_.load(std::memory_order_relaxed)) copies_changed_.wait(lock);
  if (sequential && is_alone(taker)) {
    sequential_ = true;
  } else {
    split_common_lanes();
  }
  taker.clear(next_lease_);
  max_bytes = std::min(max_bytes, kMaxBatchBytes);
  max_run = std::clamp<size_t>(max_run, 1, options_.max_run_length);
  bool is_full = false;
  while (has_work() && !is_full && taker.picked_.size() < max_messages &&
         (taker.picked_.empty() || taker.payload_bytes_ < max_bytes)) {
    const PartitionId id = active_.front();
    active_.pop_front();
    Partition& partition = partitions_[id];
    partition.active = false;
    if (!partition.assigned || partition.draining) continue;
    if (!may_start(partition)) {
      passed_over_.push_back(id);
      continue;
    }
    if (partition.metadata_full) prefer_lowest(partition);
    if (sequential_) merge_lanes(partition, id);
    for (size_t turn = 0; turn < kPartitionTurn && executing_lanes_ < options_.concurrency; ++turn) {
      if (taker.picked_.size() >= max_messages) break;
      if (options_.whole_runs && !taker.picked_.empty() &&
          max_messages - taker.picked_.size() < options_.max_run_length) {
        is_full = true;
        break;
      }
      if (!taker.picked_.empty() && taker.payload_bytes_ >= max_bytes) break;
      const uint32_t lane = next_startable(partition);
      if (lane == kNil) break;
      lease_run(taker, lane, max_messages, max_bytes, max_run);
    }
    if (!partition.ready.empty()) activate(id);
  }
  for (const PartitionId id : passed_over_) activate(id);
  passed_over_.clear();
  taker.idle_ = taker.picked_.empty();
  if (!taker.idle_) copying_.fetch_add(1, std::memory_order_relaxed);
  in_flight_ += taker.picked_.size();
  return taker.picked_.size();
}

bool Dispatcher::read(Taker& reader, uint64_t lease, uint32_t slot) {
  Lock lock(mutex_);
  while (exclusive_.load(std::memory_order_relaxed)) copies_changed_.wait(lock);
  const Message* message = find_lease(lease, slot, MessageState::kLeased);
  if (message == nullptr) return false;
  reader.clear(lease);
  reader.run_starts_.push_back(0);
  reader.run_partitions_.push_back(lanes_.at(message->lane).partition);
  pick(reader, slot);
  copying_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Dispatcher::end_copy() {
  if (copying_.fetch_sub(1) == 1 && exclusive_.load()) {
    const Lock lock(mutex_);
    copies_changed_.notify_all();
  }
}

void Dispatcher::enter(Lane& lane, LaneState state) {
  lane.state = state;
  lane.since_ms = now_ms_;
}

// A lane that nothing runs of: when may its head start?
void Dispatcher::open_lane(uint32_t number) {
  Lane& lane = lanes_.at(number);
  if (lane.blocked) {
    enter(lane, LaneState::kBlocked);
    ++blocked_lanes_;
    return;
  }
  int64_t due_ms = lane.retry ? lane.due_ms : -1;
  lane.retry = false;
  if (lane.keyed && !options_.poison_is_taken) {
    const int64_t open_until_ms = key_failures_.open_until(lane.hash, now_ms_);
    if (open_until_ms != 0) due_ms = std::max(due_ms, open_until_ms);
  }
  if (due_ms < 0 && options_.linger_ms > 0 && lane.queued < options_.max_run_length) {
    due_ms = now_ms_ + options_.linger_ms;
    lane.lingers = true;
  }
  if (due_ms >= 0) {
    wait_until(number, due_ms);
  } else {
    make_ready(number);
  }
}

void Dispatcher::wait_until(uint32_t number, int64_t due_ms) {
  Lane& lane = lanes_.at(number);
  enter(lane, LaneState::kWaiting);
  lane.due_ms = due_ms;
  ++waiting_lanes_;
  timers_.push_back({due_ms, number});
  std::push_heap(timers_.begin(), timers_.end(), std::greater<>{});
}

// A lane that waits for more messages, and has them.
void Dispatcher::fill_up(uint32_t number) {
  const Lane& lane = lanes_.at(number);
  if (!lane.lingers || lane.queued < options_.max_run_length) return;
  --waiting_lanes_;
  make_ready(number);
}

void Dispatcher::make_ready(uint32_t number) {
  Lane& lane = lanes_.at(number);
  lane.lingers = false;
  enter(lane, LaneState::kReady);
  Partition& partition = partitions_[lane.partition];
  partition.ready.add(lanes_, number, head_offset(number));
  activate(lane.partition);
}

void Dispatcher::activate(PartitionId id) {
  Partition& partition = partitions_[id];
  if (partition.active || partition.draining) return;
  partition.active = true;
  active_.push_back(id);
}

// The next lane of the partition that may start, out of its list; kNil when there is none.
uint32_t Dispatcher::next_startable(Partition& partition) {
  while (!partition.ready.empty()) {
    const uint32_t lane = partition.ready.remove_first(lanes_);
    if (!partition.metadata_full || head_offset(lane) <= partition.tracker.highest_settled()) return lane;
    enter(lanes_.at(lane), LaneState::kHeld);
    partition.held.push_back({head_offset(lane), lane});
    std::push_heap(partition.held.begin(), partition.held.end(), std::greater<>{});
  }
  return kNil;
}

// A held lane opens when the map has room again, and when something above its head is settled: then it fills a gap.
// Without the second, a partition could stand still for good whose remaining gaps are all in lanes held earlier.
void Dispatcher::reopen_held(Partition& partition) {
  const Offset limit =
      partition.metadata_full ? partition.tracker.highest_settled() : std::numeric_limits<Offset>::max();
  while (!partition.held.empty() && partition.held.front().head <= limit) {
    const uint32_t lane = partition.held.front().lane;
    std::pop_heap(partition.held.begin(), partition.held.end(), std::greater<>{});
    partition.held.pop_back();
    make_ready(lane);
  }
}

// Puts the lane with the lowest offset in front: in a partition whose gap map is full, only that one moves the
// committable offset.
void Dispatcher::prefer_lowest(Partition& partition) {
  if (partition.ready.empty()) return;
  const auto is_lower = [this](uint32_t one, uint32_t other) { return head_offset(one) < head_offset(other); };
  partition.ready.add_first(lanes_, partition.ready.remove_least(lanes_, is_lower));
}

Offset Dispatcher::head_offset(uint32_t lane) const { return messages_.at(lanes_.at(lane).head).offset; }

void Dispatcher::lease_run(Taker& taker, uint32_t number, size_t max_messages, size_t max_bytes, size_t max_run) {
  Lane& lane = lanes_.at(number);
  Partition& partition = partitions_[lane.partition];
  const Offset limit =
      partition.metadata_full ? partition.tracker.highest_settled() : std::numeric_limits<Offset>::max();
  const size_t room =
      std::min(max_messages - taker.picked_.size(), partition.common == number ? max_messages : max_run);
  lane.poisoned = options_.poison_is_taken && lane.keyed && key_failures_.open_until(lane.hash, now_ms_) != 0;
  size_t run_bytes = 0;
  taker.run_starts_.push_back(static_cast<uint32_t>(taker.picked_.size()));
  taker.run_partitions_.push_back(lane.partition);
  for (uint32_t slot = lane.head; slot != kNil && lane.leased < room;) {
    Message& message = messages_.at(slot);
    const uint32_t next = message.next;
    if (next != kNil) __builtin_prefetch(&messages_.at(next));
    const size_t size = message.size();
    if (lane.leased > 0 && (message.offset > limit || taker.payload_bytes_ + size > max_bytes)) break;
    if (lane.leased > 0 && run_bytes + size > options_.max_run_bytes) break;
    message.state = MessageState::kLeased;
    message.lease = next_lease_++;
    message.taker = taker.id_;
    pick(taker, slot);
    run_bytes += size;
    ++lane.leased;
    --lane.queued;
    slot = next;
  }
  enter(lane, LaneState::kExecuting);
  ++executing_lanes_;
  partition.in_flight += lane.leased;
}

// Adds a leased message to the taker's batch.
void Dispatcher::pick(Taker& taker, uint32_t slot) const {
  const Message& message = messages_.at(slot);
  int64_t first_failure_ms = -1;
  if (message.failed_attempts != 0) {
    taker.any_failed_ = true;
    first_failure_ms = first_failures_.at(slot);
  }
  const bool is_poisoned = lanes_.at(message.lane).poisoned;
  taker.picked_.push_back({message.data, message.offset, message.timestamp_ms, slot, message.key_size,
                           message.value_size, message.header_size, is_poisoned ? 0 : message.failed_attempts + 1U,
                           first_failure_ms});
  taker.payload_bytes_ += message.size();
}

void Dispatcher::ring() {
  if (!has_work()) return;
  for (const auto& [taker, ward] : seats_) {
    if (taker == nullptr || !taker->idle_) continue;
    taker->idle_ = false;
    taker->doorbell_();
  }
}

void Dispatcher::stop_taking() {
  const Lock lock(mutex_);
  stopped_ = true;
}

size_t Dispatcher::in_flight() const {
  const Lock lock(mutex_);
  return in_flight_;
}

}  // namespace laneway
