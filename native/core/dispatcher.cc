// See dispatcher.h for the idea, the threads and what is not obvious. Here: assignment, commits and counts.
#include "core/dispatcher.h"

#include <algorithm>
#include <utility>

namespace laneway {

Dispatcher::Dispatcher(const DispatcherOptions& options)
    : options_(options),
      messages_budget_(options.max_buffered_messages, options.good_batch_messages),
      bytes_budget_(options.max_buffered_bytes, options.good_batch_bytes),
      slabs_(options.max_buffered_bytes),
      key_failures_(options.poison_after, options.poison_cool_down_ms) {}

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
  mark_full(partition, false);
  partition.full_ms = 0;
  partition.changed = false;
  drop_published_outputs(partition);
  partition.epoch = next_epoch_++;
  holes_ += static_cast<uint64_t>(partition.tracker.holes());
  if (committed) {
    partition.tracker.restore(*committed);
  } else {
    partition.tracker.start();
  }
  if (was_assigned) {
    // What it had is free: for other partitions, and for engines that wait.
    check_space_of_all();
    ring();
  } else {
    divide_budgets();
  }
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
  drop_published_outputs(partition);
  mark_full(partition, false);
  partition.assigned = false;
  partition.epoch = 0;
  holes_ += static_cast<uint64_t>(partition.tracker.holes());
  partition.tracker.start();
  --assigned_;
  divide_budgets();
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

// --- Commits ---------------------------------------------------------------------------------------------------------

std::vector<CommitSnapshot> Dispatcher::changed() {
  const Lock lock(mutex_);
  std::vector<CommitSnapshot> snapshots;
  for (PartitionId id = 0; id < partitions_.size(); ++id) {
    Partition& partition = partitions_[id];
    if (!partition.assigned || !partition.changed || !partition.tracker.started()) continue;
    snapshots.push_back(std::move(*collect_from(partition, id)));
  }
  return snapshots;
}

std::optional<CommitSnapshot> Dispatcher::collect(PartitionId id) {
  const Lock lock(mutex_);
  if (find_assigned(id) == nullptr) return std::nullopt;
  return collect_from(partitions_[id], id);
}

std::optional<CommitSnapshot> Dispatcher::collect_from(Partition& partition, PartitionId id) {
  if (!partition.tracker.started()) return std::nullopt;
  partition.changed = false;
  return CommitSnapshot{id, partition.epoch, partition.tracker.snapshot(), std::exchange(partition.outputs, {})};
}

std::optional<CommitSnapshot> Dispatcher::snapshot(PartitionId id) const {
  const Lock lock(mutex_);
  const Partition* partition = find_assigned(id);
  if (partition == nullptr || !partition->tracker.started()) return std::nullopt;
  return CommitSnapshot{id, partition->epoch, partition->tracker.snapshot(), {}};
}

void Dispatcher::mark_changed(PartitionId id, uint64_t epoch) {
  const Lock lock(mutex_);
  const Partition* partition = find_assigned(id);
  if (partition != nullptr && partition->epoch == epoch) partitions_[id].changed = true;
}

void Dispatcher::mark_full(Partition& partition, bool full) {
  if (partition.metadata_full == full) return;
  partition.metadata_full = full;
  if (full) {
    ++full_partitions_;
  } else {
    --full_partitions_;
  }
}

void Dispatcher::set_metadata_full(PartitionId id, bool full) {
  const Lock lock(mutex_);
  if (find_assigned(id) == nullptr) return;
  Partition& partition = partitions_[id];
  if (partition.metadata_full == full) return;
  mark_full(partition, full);
  if (full) {
    split_common_lane(partition, id);
    partition.full_since_ms = now_ms_;
  } else {
    partition.full_ms += now_ms_ - partition.full_since_ms;
  }
  reopen_held(partition);
  ring();
}

DispatcherStats Dispatcher::stats() const {
  const Lock lock(mutex_);
  DispatcherStats stats{};
  stats.lanes = lanes_.count();
  stats.executing_lanes = executing_lanes_;
  stats.waiting_lanes = waiting_lanes_;
  stats.blocked_lanes = blocked_lanes_;
  stats.withheld = withheld_;
  stats.buffered_messages = messages_budget_.used();
  stats.buffered_bytes = bytes_budget_.used();
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
  stats.failing_keys = key_failures_.count();
  stats.poisonings = key_failures_.openings();
  stats.output_bytes = output_bytes_;
  for (PartitionId id = 0; id < partitions_.size(); ++id) {
    const Partition& partition = partitions_[id];
    if (!partition.assigned) continue;
    const OffsetTracker& tracker = partition.tracker;
    stats.holes += static_cast<uint64_t>(tracker.holes());
    stats.partitions.push_back({id, partition.epoch, tracker.committable(), tracker.highest_settled(),
                                tracker.position(), tracker.started() ? tracker.gap_count() : 0,
                                partition.buffered_messages, partition.buffered_bytes, partition.in_flight,
                                partition.lanes, partition.paused, partition.metadata_full, partition.common != kNil,
                                partition.full_ms + (partition.metadata_full ? now_ms_ - partition.full_since_ms : 0)});
  }
  return stats;
}

}  // namespace laneway
