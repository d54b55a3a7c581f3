// The bytes of buffered messages: moving them together, and freeing what is not needed any more. See dispatcher.h.
#include <algorithm>
#include <cstring>
#include <functional>
#include <new>

#include "core/dispatcher.h"

namespace laneway {

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
    if (lane.head != kNil) {
      if (lane.state == LaneState::kClosed && lane.withheld == 0) open_lane(number);
      continue;
    }
    if (lane.state == LaneState::kExecuting) --executing_lanes_;
    if (lane.state == LaneState::kWaiting) --waiting_lanes_;
    if (lane.state == LaneState::kBlocked) --blocked_lanes_;
    empty.push_back(number);
  }
  const auto is_empty = [&](const auto& entry) { return lanes_.at(entry.lane).head == kNil; };
  partition.ready.drop_empty(lanes_);
  std::erase_if(partition.held, is_empty);
  std::make_heap(partition.held.begin(), partition.held.end(), std::greater<>{});
  std::erase_if(timers_, is_empty);
  std::make_heap(timers_.begin(), timers_.end(), std::greater<>{});
  for (const uint32_t number : empty) release_lane(number);
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
    if (message.state == MessageState::kQueued) {
      --lane.queued;
    } else {
      --partition.in_flight;
      --in_flight_;
      if (message.state == MessageState::kLeased) {
        --lane.leased;
      } else {
        --lane.withheld;
        --withheld_;
      }
    }
    forget(partition, slot);
    messages_.release(slot);
    slot = next;
  }
}

// A message's bytes, and what else is kept for it, are no longer needed.
void Dispatcher::forget(Partition& partition, uint32_t slot) {
  const Message& message = messages_.at(slot);
  const size_t size = message.size();
  if (message.failed_attempts != 0) first_failures_.erase(slot);
  if (!held_outputs_.empty()) drop_held_outputs(message.lease);
  slabs_.remove_live(message.slab, slab_footprint(size));
  messages_budget_.remove(partition.buffered_messages, 1);
  bytes_budget_.remove(partition.buffered_bytes, size);
}

}  // namespace laneway
