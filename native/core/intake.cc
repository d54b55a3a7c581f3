// The ingest side of the dispatcher: see dispatcher.h. What runs without the lock touches only entries and slabs that
// this intake has reserved.
#include <cstring>
#include <new>

#include "core/dispatcher.h"
#include "core/key_hash.h"

namespace laneway {

Intake::~Intake() {
  const std::unique_lock lock(dispatcher_.mutex_);
  for (const Staged& staged : staged_) dispatcher_.messages_.release(staged.slot);
  for (const uint32_t slot : reserved_) dispatcher_.messages_.release(slot);
  for (Slab* slab : filled_) dispatcher_.slabs_.seal(slab);
  if (slab_ != nullptr) dispatcher_.slabs_.seal(slab_);
}

size_t Intake::open(PartitionId id, uint64_t epoch) {
  const std::unique_lock lock(dispatcher_.mutex_);
  partition_ = id;
  epoch_ = epoch;
  messages_left_ = 0;
  staged_bytes_ = 0;
  refused_ = -1;
  const auto* found = dispatcher_.find_assigned(id);
  if (found == nullptr || found->epoch != epoch || found->draining || dispatcher_.stopped_) return 0;
  Dispatcher::Partition& partition = dispatcher_.partitions_[id];
  if (partition.paused) return 0;
  finds_keys_ = partition.has_lanes_of_keys() || !dispatcher_.may_have_common_lane(partition);
  const size_t messages = dispatcher_.messages_budget_.room(partition.buffered_messages);
  bytes_left_ = dispatcher_.bytes_budget_.room(partition.buffered_bytes);
  if (messages == 0 || bytes_left_ == 0) {
    partition.paused = true;
    // Notes what it waits for.
    dispatcher_.check_space(id);
    return 0;
  }
  messages_left_ = std::min(messages, kMaxBatch);
  window_base_ = partition.tracker.idle() ? -1 : partition.tracker.committable();
  dispatcher_.reserve_for(*this);
  return messages_left_;
}

bool Intake::add(const IncomingMessage& incoming) {
  const size_t size = size_t{incoming.key_size} + incoming.value_size + incoming.headers.size();
  if (messages_left_ == 0 || (staged_bytes_ != 0 && staged_bytes_ + size > bytes_left_)) return false;
  // A message below it means a truncated log: the committable offset goes back to it at most.
  if (window_base_ < 0 || incoming.offset < window_base_) window_base_ = incoming.offset;
  if (incoming.offset - window_base_ >= dispatcher_.options_.max_window) {
    refused_ = incoming.offset;
    return false;
  }

  const uint32_t slot = reserved_.back();
  Message& message = *reserved_messages_.back();
  reserved_.pop_back();
  reserved_messages_.pop_back();
  Slab* slab = nullptr;
  std::byte* to = allocate(slot, size, slab);
  message.offset = incoming.offset;
  message.timestamp_ms = incoming.timestamp_ms;
  message.data = to;
  message.slab = slab;
  message.key_size = incoming.key == nullptr ? -1 : static_cast<int32_t>(incoming.key_size);
  message.value_size = incoming.value == nullptr ? -1 : static_cast<int32_t>(incoming.value_size);
  message.header_size = static_cast<uint32_t>(incoming.headers.size());
  message.next = kNil;
  message.failed_attempts = 0;
  if (incoming.key_size != 0) std::memcpy(to, incoming.key, incoming.key_size);
  if (incoming.value_size != 0) std::memcpy(to + incoming.key_size, incoming.value, incoming.value_size);
  if (!incoming.headers.empty()) {
    std::memcpy(to + incoming.key_size + incoming.value_size, incoming.headers.data(), incoming.headers.size());
  }

  staged_.push_back({slot, std::nullopt});
  if (finds_keys_) staged_.back().key = dispatcher_.key_of(partition_, message);
  staged_bytes_ += std::max<size_t>(size, 1);
  --messages_left_;
  return true;
}

bool Intake::publish() {
  Dispatcher::Lock lock(dispatcher_.mutex_);
  const bool placed = dispatcher_.publish(lock, *this);
  staged_.clear();
  staged_bytes_ = 0;
  messages_left_ = 0;
  for (Slab* slab : filled_) dispatcher_.slabs_.seal(slab);
  filled_.clear();
  return placed;
}

// Room for a message in the slab that is being filled, or in one of its own; takes the lock only for a new slab.
std::byte* Intake::allocate(uint32_t slot, size_t size, Slab*& slab) {
  const size_t footprint = slab_footprint(size);
  const bool alone = footprint > dispatcher_.slabs_.shared_limit();
  if (alone || slab_ == nullptr || slab_->capacity - slab_->used < footprint) {
    Dispatcher::Lock lock(dispatcher_.mutex_);
    Slab* fresh = dispatcher_.acquire_slab(lock, footprint);
    if (alone) {
      filled_.push_back(fresh);
      slab = fresh;
    } else {
      if (slab_ != nullptr) filled_.push_back(slab_);
      slab_ = fresh;
    }
  }
  if (!alone) slab = slab_;
  std::byte* at = slab->memory.get() + slab->used;
  slab->used += footprint;
  new (at) SlabRecord{slot, static_cast<uint32_t>(size)};
  return at + sizeof(SlabRecord);
}

// --- The dispatcher's part -------------------------------------------------------------------------------------------

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
  relieve();
  ring();
  return placed;
}

void Dispatcher::enqueue(Partition& partition, PartitionId id, const Intake::Staged& staged) {
  Message& message = messages_.at(staged.slot);
  bool created = false;
  const uint32_t number = lane_for(partition, id, staged, created);
  message.state = MessageState::kQueued;
  append(number, staged.slot);

  const size_t size = message.size();
  slabs_.add_live(message.slab, slab_footprint(size));
  messages_budget_.add(partition.buffered_messages, 1);
  bytes_budget_.add(partition.buffered_bytes, size);
  if (created) {
    open_lane(number);
  } else if (options_.linger_ms > 0 && lanes_.at(number).state == LaneState::kWaiting) {
    fill_up(number);
  }
}

uint32_t Dispatcher::lane_for(Partition& partition, PartitionId id, const Intake::Staged& staged, bool& created) {
  const auto key = [&] { return staged.key ? *staged.key : key_of(id, messages_.at(staged.slot)); };
  if (partition.common == kNil && !may_have_common_lane(partition)) {
    return find_or_create_lane(partition, id, key(), created);
  }
  if (partition.has_lanes_of_keys()) {
    const LaneKey of = key();
    const uint32_t lane = of.keyed ? lanes_.find(of.hash, id) : kNil;
    if (lane != kNil) return lane;
  }
  created = partition.common == kNil;
  return created ? create_common_lane(partition, id) : partition.common;
}

uint32_t Dispatcher::find_or_create_lane(Partition& partition, PartitionId id, LaneKey key, bool& created) {
  created = true;
  const uint32_t lane = key.keyed ? lanes_.find_or_create(key.hash, id, created) : lanes_.create_alone(id);
  if (created) ++partition.lanes;
  return lane;
}

// The message becomes its lane's last, as queued or leased as it is.
void Dispatcher::append(uint32_t number, uint32_t slot) {
  Lane& lane = lanes_.at(number);
  Message& message = messages_.at(slot);
  message.lane = number;
  message.next = kNil;
  if (lane.head == kNil) {
    lane.head = slot;
  } else {
    messages_.at(lane.tail).next = slot;
  }
  lane.tail = slot;
  ++(message.state == MessageState::kLeased ? lane.leased : lane.queued);
}

LaneKey Dispatcher::key_of(PartitionId id, const Message& message) const {
  const bool keyed = options_.order == Order::kPartition || (options_.order == Order::kKey && message.key_size >= 0);
  if (!keyed) return {};
  const size_t hashed = options_.order == Order::kKey ? static_cast<size_t>(message.key_size) : 0;
  return {key_hash(options_.seed, id, message.data, hashed), true};
}

}  // namespace laneway
