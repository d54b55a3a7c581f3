// See dispatcher.h for the idea, the threads and what is not obvious.
#include "core/dispatcher.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

namespace laneway {

namespace {

// Lanes taken from one partition before the next one has its turn.
constexpr size_t kPartitionTurn = 64;
// A batch is one buffer with 32-bit positions.
constexpr size_t kMaxBatchBytes = size_t{1} << 30;
// A partition that stopped at its share goes on below this part of it.
constexpr double kResumeAt = 0.7;

}  // namespace

Dispatcher::Dispatcher(const DispatcherOptions& options) : options_(options), slabs_(options.max_buffered_bytes) {}

// --- Assignment ------------------------------------------------------------------------------------------------------

uint64_t Dispatcher::assign(PartitionId id, const std::optional<GapMap>& committed) {
  Lock lock(mutex_);
  Partition& partition = partition_at(id);
  const bool was_assigned = partition.assigned;
  if (was_assigned) {
    wait_for_copies(lock);
    drop_from(id, 0);
    resume_copies();
  } else {
    ++assigned_;
  }
  partition.assigned = true;
  partition.draining = false;
  partition.paused = false;
  partition.metadata_full = false;
  partition.changed = false;
  partition.epoch = next_epoch_++;
  holes_ += static_cast<uint64_t>(partition.tracker.holes());
  if (committed) {
    partition.tracker.restore(*committed);
  } else {
    partition.tracker.start();
  }
  if (was_assigned) {
    // What it had is free: for other partitions, and for engines that wait.
    for (Partition& other : partitions_) check_space(other);
    ring();
  }
  if (starved_) relieve();
  return partition.epoch;
}

void Dispatcher::begin_drain(PartitionId id) {
  const Lock lock(mutex_);
  if (find_assigned(id) != nullptr) partitions_[id].draining = true;
}

bool Dispatcher::drained(PartitionId id) const {
  const Lock lock(mutex_);
  const Partition* partition = find_assigned(id);
  return partition == nullptr || partition->in_flight == 0;
}

void Dispatcher::release(PartitionId id) {
  Lock lock(mutex_);
  if (find_assigned(id) == nullptr) return;
  wait_for_copies(lock);
  drop_from(id, 0);
  resume_copies();
  Partition& partition = partitions_[id];
  partition.assigned = false;
  partition.epoch = 0;
  holes_ += static_cast<uint64_t>(partition.tracker.holes());
  partition.tracker.start();
  --assigned_;
  for (Partition& other : partitions_) check_space(other);
  ring();
}

void Dispatcher::reach_end(PartitionId id, uint64_t epoch, Offset end) {
  const Lock lock(mutex_);
  const Partition* found = find_assigned(id);
  if (found == nullptr || found->epoch != epoch) return;
  Partition& partition = partitions_[id];
  const Offset before = partition.tracker.committable();
  partition.tracker.reach_end(end);
  if (before >= 0 && partition.tracker.committable() != before) partition.changed = true;
  reopen_held(partition);
  ring();
}

uint64_t Dispatcher::epoch(PartitionId id) const {
  const Lock lock(mutex_);
  const Partition* partition = find_assigned(id);
  return partition == nullptr ? 0 : partition->epoch;
}

Dispatcher::Partition& Dispatcher::partition_at(PartitionId id) {
  while (partitions_.size() <= id) partitions_.emplace_back(options_.max_window);
  return partitions_[id];
}

const Dispatcher::Partition* Dispatcher::find_assigned(PartitionId id) const {
  return id < partitions_.size() && partitions_[id].assigned ? &partitions_[id] : nullptr;
}

size_t Dispatcher::share_messages() const {
  return std::max<size_t>(options_.max_buffered_messages / std::max<size_t>(assigned_, 1), 1);
}

size_t Dispatcher::share_bytes() const {
  return std::max<size_t>(options_.max_buffered_bytes / std::max<size_t>(assigned_, 1), 1);
}

// What a partition may take: its share, and no more than all partitions have left (they keep what they had when their
// share shrinks). An empty partition may always take one message, whatever the others hold (P6).
size_t Dispatcher::room(size_t used, size_t share, size_t used_by_all, size_t limit) {
  const size_t own = share - std::min(used, share);
  const size_t common = limit - std::min(used_by_all, limit);
  return std::max<size_t>(std::min(own, common), used == 0 ? 1 : 0);
}

// --- Intake ----------------------------------------------------------------------------------------------------------

void Dispatcher::reserve_for(Intake& intake) {
  while (intake.reserved_.size() < intake.messages_left_) {
    const uint32_t slot = messages_.acquire();
    intake.reserved_.push_back(slot);
    intake.reserved_messages_.push_back(&messages_.at(slot));
  }
}

Slab* Dispatcher::acquire_slab(Lock& lock, size_t footprint) {
  while (slabs_.at_limit() && slabs_.emptiest() != nullptr) {
    wait_for_copies(lock);
    // Waiting gave the lock away: the slab may be gone.
    Slab* slab = slabs_.emptiest();
    if (slab != nullptr) compact(slab);
    resume_copies();
  }
  return slabs_.acquire(footprint);
}

bool Dispatcher::publish(Lock& lock, Intake& intake) {
  const PartitionId id = intake.partition_;
  Partition& partition = partition_at(id);
  bool placed = true;
  const Offset before = partition.tracker.committable();
  for (const Intake::Staged& staged : intake.staged_) {
    if (!partition.assigned || partition.epoch != intake.epoch_) {
      messages_.release(staged.slot);
      continue;
    }
    const Offset offset = messages_.at(staged.slot).offset;
    OffsetTracker::Delivery delivery = partition.tracker.deliver(offset);
    if (delivery == OffsetTracker::Delivery::kRewound) {
      // The log was truncated: what was seen from here on is gone, and other messages have these offsets now.
      wait_for_copies(lock);
      resume_copies();
      // Waiting gave the lock away.
      if (!partition.assigned || partition.epoch != intake.epoch_) {
        messages_.release(staged.slot);
        continue;
      }
      drop_from(id, offset);
      partition.tracker.rewind(offset);
      partition.changed = true;
      ++rewinds_;
      delivery = partition.tracker.deliver(offset);
    }
    if (delivery == OffsetTracker::Delivery::kNew) {
      ++delivered_;
      enqueue(partition, id, staged);
    } else {
      if (delivery == OffsetTracker::Delivery::kAlreadySettled) ++skipped_settled_;
      if (delivery == OffsetTracker::Delivery::kWindowFull) placed = false;
      messages_.release(staged.slot);
    }
  }
  if (before >= 0 && partition.tracker.committable() != before) partition.changed = true;
  // Looked at again when something settles; something may have settled since it was refused.
  if (intake.refused_ >= 0 && !partition.tracker.idle() &&
      intake.refused_ - partition.tracker.committable() >= options_.max_window) {
    partition.paused = true;
  }
  reopen_held(partition);
  if (starved_) relieve();
  ring();
  return placed;
}

void Dispatcher::enqueue(Partition& partition, PartitionId id, const Intake::Staged& staged) {
  Message& message = messages_.at(staged.slot);
  bool created = true;
  const uint32_t number = staged.keyed ? lanes_.find_or_create(staged.hash, id, created) : lanes_.create_alone(id);
  Lane& lane = lanes_.at(number);
  message.lane = number;
  message.state = MessageState::kQueued;
  if (lane.head == kNil) {
    lane.head = staged.slot;
  } else {
    messages_.at(lane.tail).next = staged.slot;
  }
  lane.tail = staged.slot;
  ++lane.queued;

  const size_t size = message.size();
  slabs_.add_live(message.slab, slab_footprint(size));
  ++partition.buffered_messages;
  partition.buffered_bytes += size;
  ++buffered_messages_;
  buffered_bytes_ += size;
  if (created) make_ready(number);
}

// --- Taking ----------------------------------------------------------------------------------------------------------

bool Dispatcher::attach(Taker& taker, std::function<void()> doorbell) {
  const Lock lock(mutex_);
  for (size_t i = 0; i <= takers_.size() && i < 255; ++i) {
    if (i == takers_.size()) takers_.push_back(nullptr);
    if (takers_[i] != nullptr) continue;
    takers_[i] = &taker;
    taker.id_ = static_cast<uint8_t>(i);
    taker.doorbell_ = std::move(doorbell);
    taker.idle_ = false;
    return true;
  }
  return false;
}

void Dispatcher::detach(Taker& taker, int64_t now_ms) {
  const Lock lock(mutex_);
  if (taker.id_ >= takers_.size() || takers_[taker.id_] != &taker) return;
  for (uint32_t number = 0; number < lanes_.extent(); ++number) {
    if (lanes_.at(number).state != LaneState::kExecuting) continue;
    for (uint32_t slot = lanes_.at(number).head; slot != kNil; slot = messages_.at(slot).next) {
      const Message& message = messages_.at(slot);
      if (message.state != MessageState::kLeased || message.taker != taker.id_) continue;
      settle_one({message.lease, slot, 0, Outcome::kReleased}, now_ms);
      break;
    }
  }
  takers_[taker.id_] = nullptr;
  taker.doorbell_ = nullptr;
  ring();
}

size_t Dispatcher::take(Taker& taker, size_t max_messages, size_t max_bytes) {
  Lock lock(mutex_);
  while (exclusive_.load(std::memory_order_relaxed)) copies_changed_.wait(lock);
  taker.picked_.clear();
  taker.run_starts_.clear();
  taker.run_partitions_.clear();
  taker.payload_bytes_ = 0;
  taker.first_lease_ = next_lease_;
  max_bytes = std::min(max_bytes, kMaxBatchBytes);
  while (has_work() && taker.picked_.size() < max_messages &&
         (taker.picked_.empty() || taker.payload_bytes_ < max_bytes)) {
    const PartitionId id = active_.front();
    active_.pop_front();
    Partition& partition = partitions_[id];
    partition.active = false;
    if (!partition.assigned || partition.draining) continue;
    if (partition.metadata_full) prefer_lowest(partition);
    for (size_t turn = 0; turn < kPartitionTurn && executing_lanes_ < options_.concurrency; ++turn) {
      if (taker.picked_.size() >= max_messages) break;
      if (!taker.picked_.empty() && taker.payload_bytes_ >= max_bytes) break;
      const uint32_t lane = next_startable(partition);
      if (lane == kNil) break;
      lease_run(taker, lane, max_messages, max_bytes);
    }
    if (!partition.ready.empty()) activate(id);
  }
  taker.idle_ = taker.picked_.empty();
  if (!taker.idle_) copying_.fetch_add(1, std::memory_order_relaxed);
  in_flight_ += taker.picked_.size();
  return taker.picked_.size();
}

void Dispatcher::end_copy() {
  if (copying_.fetch_sub(1) == 1 && exclusive_.load()) {
    const Lock lock(mutex_);
    copies_changed_.notify_all();
  }
}

void Dispatcher::make_ready(uint32_t number) {
  Lane& lane = lanes_.at(number);
  lane.state = LaneState::kReady;
  Partition& partition = partitions_[lane.partition];
  lanes_.push_back(partition.ready, number);
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
    const uint32_t lane = lanes_.pop_front(partition.ready);
    if (!partition.metadata_full || head_offset(lane) <= partition.tracker.highest_settled()) return lane;
    lanes_.at(lane).state = LaneState::kHeld;
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
  uint32_t best = kNil;
  uint32_t before_best = kNil;
  uint32_t previous = kNil;
  for (uint32_t lane = partition.ready.head; lane != kNil; lane = lanes_.at(lane).next) {
    if (best == kNil || head_offset(lane) < head_offset(best)) {
      best = lane;
      before_best = previous;
    }
    previous = lane;
  }
  if (best == kNil || before_best == kNil) return;
  lanes_.at(before_best).next = lanes_.at(best).next;
  if (partition.ready.tail == best) partition.ready.tail = before_best;
  lanes_.push_front(partition.ready, best);
}

Offset Dispatcher::head_offset(uint32_t lane) const { return messages_.at(lanes_.at(lane).head).offset; }

void Dispatcher::lease_run(Taker& taker, uint32_t number, size_t max_messages, size_t max_bytes) {
  Lane& lane = lanes_.at(number);
  Partition& partition = partitions_[lane.partition];
  const Offset limit =
      partition.metadata_full ? partition.tracker.highest_settled() : std::numeric_limits<Offset>::max();
  const size_t room = std::min<size_t>(max_messages - taker.picked_.size(), options_.max_run_length);
  taker.run_starts_.push_back(static_cast<uint32_t>(taker.picked_.size()));
  taker.run_partitions_.push_back(lane.partition);
  for (uint32_t slot = lane.head; slot != kNil && lane.leased < room;) {
    Message& message = messages_.at(slot);
    const uint32_t next = message.next;
    if (next != kNil) __builtin_prefetch(&messages_.at(next));
    const size_t size = message.size();
    if (lane.leased > 0 && (message.offset > limit || taker.payload_bytes_ + size > max_bytes)) break;
    message.state = MessageState::kLeased;
    message.lease = next_lease_++;
    message.taker = taker.id_;
    taker.picked_.push_back({message.data, message.offset, message.timestamp_ms, slot, message.key_size,
                             message.value_size, message.header_size, message.failed_attempts + 1U});
    taker.payload_bytes_ += size;
    ++lane.leased;
    --lane.queued;
    slot = next;
  }
  lane.state = LaneState::kExecuting;
  ++executing_lanes_;
  partition.in_flight += lane.leased;
}

void Dispatcher::ring() {
  if (!has_work()) return;
  for (Taker* taker : takers_) {
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

// --- Settling --------------------------------------------------------------------------------------------------------

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

// --- Commits ---------------------------------------------------------------------------------------------------------

std::vector<CommitSnapshot> Dispatcher::changed() {
  const Lock lock(mutex_);
  std::vector<CommitSnapshot> snapshots;
  for (PartitionId id = 0; id < partitions_.size(); ++id) {
    Partition& partition = partitions_[id];
    if (!partition.assigned || !partition.changed || !partition.tracker.started()) continue;
    partition.changed = false;
    snapshots.push_back({id, partition.epoch, partition.tracker.snapshot()});
  }
  return snapshots;
}

std::optional<CommitSnapshot> Dispatcher::snapshot(PartitionId id) const {
  const Lock lock(mutex_);
  const Partition* partition = find_assigned(id);
  if (partition == nullptr || !partition->tracker.started()) return std::nullopt;
  return CommitSnapshot{id, partition->epoch, partition->tracker.snapshot()};
}

void Dispatcher::mark_changed(PartitionId id, uint64_t epoch) {
  const Lock lock(mutex_);
  const Partition* partition = find_assigned(id);
  if (partition != nullptr && partition->epoch == epoch) partitions_[id].changed = true;
}

void Dispatcher::set_metadata_full(PartitionId id, bool full) {
  const Lock lock(mutex_);
  if (find_assigned(id) == nullptr) return;
  Partition& partition = partitions_[id];
  if (partition.metadata_full == full) return;
  partition.metadata_full = full;
  reopen_held(partition);
  ring();
}

DispatcherStats Dispatcher::stats() const {
  const Lock lock(mutex_);
  DispatcherStats stats{};
  stats.lanes = lanes_.count();
  stats.executing_lanes = executing_lanes_;
  stats.retrying_lanes = timers_.size();
  stats.buffered_messages = buffered_messages_;
  stats.buffered_bytes = buffered_bytes_;
  stats.slab_bytes = slabs_.used_bytes();
  stats.in_flight = in_flight_;
  stats.delivered = delivered_;
  stats.settled = settled_;
  stats.retried = retried_;
  stats.stale_settlements = stale_settlements_;
  stats.skipped_settled = skipped_settled_;
  stats.holes = holes_;
  stats.rewinds = rewinds_;
  stats.compactions = compactions_;
  for (PartitionId id = 0; id < partitions_.size(); ++id) {
    const Partition& partition = partitions_[id];
    if (!partition.assigned) continue;
    const OffsetTracker& tracker = partition.tracker;
    stats.holes += static_cast<uint64_t>(tracker.holes());
    stats.partitions.push_back({id, partition.epoch, tracker.committable(), tracker.highest_settled(),
                                tracker.position(), tracker.started() ? tracker.gap_count() : 0,
                                partition.buffered_messages, partition.buffered_bytes, partition.in_flight,
                                partition.paused, partition.metadata_full});
  }
  return stats;
}

// --- Moving and freeing bytes ----------------------------------------------------------------------------------------

// Waits until no taker reads leased bytes, and keeps new ones from starting. The lock is given away meanwhile. Only the
// poll thread and the ingest thread come here, one after the other.
void Dispatcher::wait_for_copies(Lock& lock) {
  while (exclusive_.load()) copies_changed_.wait(lock);
  exclusive_.store(true);
  while (copying_.load() != 0) copies_changed_.wait(lock);
}

void Dispatcher::resume_copies() {
  exclusive_.store(false);
  copies_changed_.notify_all();
}

// Moves what lives in a slab to another one, which frees it. Runs under the lock, against the rule that no message is
// copied under it, because it is rare (only at the pool's limit) and bounded (half a slab).
void Dispatcher::compact(Slab* slab) {
  ++compactions_;
  std::byte* at = slab->memory.get();
  std::byte* const end = at + slab->used;
  while (at < end) {
    const SlabRecord record = *std::launder(reinterpret_cast<SlabRecord*>(at));
    std::byte* const data = at + sizeof(SlabRecord);
    at += slab_footprint(record.size);
    Message& message = messages_.at(record.slot);
    if (message.state == MessageState::kFree || message.data != data) continue;
    Slab* target = nullptr;
    std::byte* to = place(record.slot, record.size, target);
    std::memcpy(to, data, record.size);
    message.data = to;
    message.slab = target;
    slabs_.add_live(target, slab_footprint(record.size));
    const bool last = slab->live_messages == 1;
    slabs_.remove_live(slab, slab_footprint(record.size));
    if (last) return;
  }
}

std::byte* Dispatcher::place(uint32_t slot, size_t size, Slab*& slab) {
  const size_t footprint = slab_footprint(size);
  if (compaction_slab_ == nullptr || compaction_slab_->capacity - compaction_slab_->used < footprint) {
    if (compaction_slab_ != nullptr) slabs_.seal(compaction_slab_);
    compaction_slab_ = slabs_.acquire(footprint);
  }
  slab = compaction_slab_;
  std::byte* at = slab->memory.get() + slab->used;
  slab->used += footprint;
  new (at) SlabRecord{slot, static_cast<uint32_t>(size)};
  return at + sizeof(SlabRecord);
}

// Frees what is buffered of a partition from `first` on. Whoever still runs one of these messages settles a lease that
// is gone. Waits for copies before it is called.
void Dispatcher::drop_from(PartitionId id, Offset first) {
  Partition& partition = partitions_[id];
  std::vector<uint32_t> empty;
  for (uint32_t number = 0; number < lanes_.extent(); ++number) {
    const Lane& lane = lanes_.at(number);
    if (lane.state == LaneState::kFree || lane.partition != id) continue;
    cut_lane(number, first);
    if (lane.head != kNil) continue;
    if (lane.state == LaneState::kExecuting) --executing_lanes_;
    empty.push_back(number);
  }
  const auto is_empty = [&](const auto& entry) { return lanes_.at(entry.lane).head == kNil; };
  keep_filled(partition.ready);
  std::erase_if(partition.held, is_empty);
  std::make_heap(partition.held.begin(), partition.held.end(), std::greater<>{});
  std::erase_if(timers_, is_empty);
  std::make_heap(timers_.begin(), timers_.end(), std::greater<>{});
  for (const uint32_t number : empty) lanes_.release(number);
}

// A lane's offsets ascend, so what goes is its tail.
void Dispatcher::cut_lane(uint32_t number, Offset first) {
  Lane& lane = lanes_.at(number);
  Partition& partition = partitions_[lane.partition];
  uint32_t last_kept = kNil;
  uint32_t slot = lane.head;
  while (slot != kNil && messages_.at(slot).offset < first) {
    last_kept = slot;
    slot = messages_.at(slot).next;
  }
  lane.tail = last_kept;
  if (last_kept == kNil) {
    lane.head = kNil;
  } else {
    messages_.at(last_kept).next = kNil;
  }
  while (slot != kNil) {
    Message& message = messages_.at(slot);
    const uint32_t next = message.next;
    if (message.state == MessageState::kLeased) {
      --lane.leased;
      --partition.in_flight;
      --in_flight_;
    } else {
      --lane.queued;
    }
    forget(partition, message);
    messages_.release(slot);
    slot = next;
  }
}

// Takes the empty lanes out of a list.
void Dispatcher::keep_filled(LaneList& list) {
  LaneList kept;
  while (!list.empty()) {
    const uint32_t lane = lanes_.pop_front(list);
    if (lanes_.at(lane).head != kNil) lanes_.push_back(kept, lane);
  }
  list = kept;
}

// A message's bytes are no longer needed.
void Dispatcher::forget(Partition& partition, const Message& message) {
  const size_t size = message.size();
  slabs_.remove_live(message.slab, slab_footprint(size));
  --partition.buffered_messages;
  partition.buffered_bytes -= size;
  --buffered_messages_;
  buffered_bytes_ -= size;
}

}  // namespace laneway
