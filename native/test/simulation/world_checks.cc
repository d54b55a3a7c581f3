// Of the simulated world: what must be true after every step, and at the end. See world.h.
#include <algorithm>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {

void World::check() {
  const DispatcherStats stats = dispatcher_->stats();
  check_bounds(stats);
  if (is_audited_) {
    check_settlements(stats);
    for (const PartitionStats& partition : stats.partitions) check_partition(partition);
    check_counts(stats);
  }
  check_no_engine_sleeps();
}

void World::check_bounds(const DispatcherStats& stats) const {
  size_t messages = 0;
  size_t bytes = 0;
  size_t executing = 0;
  for (const auto& assignment : assigned_) {
    if (!assignment) continue;
    messages += assignment->model.messages();
    bytes += assignment->model.bytes();
    executing += assignment->model.started_lanes();
  }
  if (executing > options_.concurrency) broken("P5", "%zu lanes are executed", executing);
  if (messages > options_.max_buffered_messages + logs_.size()) broken("P5", "%zu messages are buffered", messages);
  if (bytes > options_.max_buffered_bytes + (logs_.size() + 1) * traffic_.largest_message()) {
    broken("P5", "%zu bytes are buffered", bytes);
  }
  check_slabs(stats);
}

// P4: each was taken for what it was.
void World::check_settlements(const DispatcherStats& stats) const {
  if (stats.stale_settlements == stale_count_) return;
  broken(stats.stale_settlements < stale_count_ ? "P4" : "P6", "%lld settlements were refused, expected %lld",
         number(stats.stale_settlements), number(stale_count_));
}

// What the dispatcher counts is what there is. Too little and too much break different promises.
void World::check_counts(const DispatcherStats& stats) const {
  size_t messages = 0;
  size_t bytes = 0;
  size_t in_flight = 0;
  size_t lanes = 0;
  size_t executing = 0;
  size_t closed = 0;
  size_t blocked = 0;
  size_t withheld = 0;
  size_t partitions = 0;
  for (const auto& assignment : assigned_) {
    if (!assignment) continue;
    ++partitions;
    messages += assignment->model.messages();
    bytes += assignment->model.bytes();
    in_flight += assignment->model.in_flight();
    lanes += assignment->model.lanes();
    executing += assignment->model.executing_lanes();
    closed += assignment->model.closed_lanes();
    blocked += assignment->model.blocked_lanes();
    withheld += assignment->model.withheld();
  }
  const auto equal = [](const char* less, const char* more, const char* what, size_t seen, size_t expected) {
    if (seen != expected) broken(seen < expected ? less : more, "%s: %zu, expected %zu", what, seen, expected);
  };
  equal("P4", "P4", "partitions", stats.partitions.size(), partitions);
  equal("P2", "P5", "messages in flight", stats.in_flight, in_flight);
  equal("P1", "P5", "buffered messages", stats.buffered_messages, messages);
  equal("P5", "P5", "buffered bytes", stats.buffered_bytes, bytes);
  equal("P2", "P5", "lanes", stats.lanes, lanes);
  equal("P5", "P6", "executed lanes", stats.executing_lanes, executing);
  equal("P6", "P6", "lanes with a timer", stats.waiting_lanes, closed);
  equal("P2", "P6", "blocked lanes", stats.blocked_lanes, blocked);
  equal("P8", "P5", "withheld messages", stats.withheld, withheld);
  equal("P5", "P6", "bytes of outputs", stats.output_bytes, output_bytes_);
}

// Half-empty slabs at worst, beside those being filled and what is staged.
void World::check_slabs(const DispatcherStats& stats) const {
  size_t live = stats.buffered_bytes + stats.buffered_messages * 2 * sizeof(SlabRecord);
  if (staging_) {
    for (const Record& record : staging_->records) live += slab_footprint(traffic_.size_of(record));
  }
  const size_t limit = 2 * options_.max_buffered_bytes + 2 * slab_bytes_;
  if (stats.slab_bytes > std::max(limit, 2 * live) + 4 * slab_bytes_) {
    broken("P5", "%zu bytes of slabs for %zu bytes", stats.slab_bytes, live);
  }
}

// The committable offset is exactly the lowest unsettled one, and what is said of it belongs together. Above it,
// messages would be lost; below it, they would be run again for nothing, or the partition would stand still.
void World::check_partition(const PartitionStats& stats) const {
  const auto& assignment = assigned_[stats.partition];
  if (!assignment) broken("P4", "partition %u is assigned", stats.partition);
  const AssignmentModel& model = assignment->model;
  if (stats.epoch != assignment->epoch) broken("P4", "epoch %lld is not the latest", number(stats.epoch));
  const auto equal = [&](const char* less, const char* more, const char* what, int64_t seen, int64_t expected) {
    if (seen == expected) return;
    broken(seen < expected ? less : more, "%s of partition %u: %lld, expected %lld", what, stats.partition,
           number(seen), number(expected));
  };
  equal("P6", "P1", "position", stats.position, model.position());
  equal("P6", "P6", "common lane", stats.common_lane, model.common());
  equal("P2", "P5", "lanes", number(stats.lanes), number(model.lanes()));
  if (!model.started()) return;
  equal("P6", "P1", "committable offset", stats.committable, model.base());
  equal("P3", "P1", "highest settled offset", stats.highest_settled, model.highest_settled());
  if (!model.knows_above_position()) equal("P1", "P3", "gaps", stats.gaps, model.gaps());
  equal("P1", "P5", "buffered messages", number(stats.buffered_messages), number(model.messages()));
  equal("P2", "P5", "messages in flight", number(stats.in_flight), number(model.in_flight()));
}

// P6: an engine that found nothing is rung before there is something.
void World::check_no_engine_sleeps() {
  if (stopped_) return;
  const bool sleeps = std::any_of(engines_.begin(), engines_.end(),
                                  [](const auto& engine) { return engine->attached && engine->idle && !engine->rung; });
  if (!sleeps) return;
  size_t executing = 0;
  for (const auto& assignment : assigned_) executing += assignment ? assignment->model.executing_lanes() : 0;
  if (executing >= options_.concurrency) return;
  const bool full = dispatcher_->outputs_full();
  if (full) cover(Event::kOutputsFull);
  for (PartitionId id = 0; id < assigned_.size(); ++id) {
    if (!assigned_[id] || assigned_[id]->draining || (full && !assigned_[id]->full)) continue;
    if (assigned_[id]->model.has_startable(assigned_[id]->full)) {
      broken("P6", "partition %u has work, an engine is idle and was not rung", id);
    }
  }
}

// P6: who asks why a partition does not move is shown the message that it waits for.
void World::check_standing() const {
  const Standing standing = dispatcher_->standing(now_ms_, 3);
  size_t expected = 0;
  for (const auto& assignment : assigned_) expected += assignment && assignment->model.messages() != 0 ? 1 : 0;
  if (standing.blocking.size() != expected)
    broken("P6", "%zu messages stand, not %zu", standing.blocking.size(), expected);
  for (const StandingMessage& message : standing.blocking) {
    const Pending* lowest = assigned_[message.partition] ? assigned_[message.partition]->model.lowest() : nullptr;
    if (lowest == nullptr || lowest->record.offset != message.offset || lowest->failed + 1 != message.attempt) {
      broken("P6", "offset %lld does not hold partition %u", number(message.offset), message.partition);
    }
  }
}

// P3: who comes next must find nothing to do.
void World::check_final_commit(PartitionId id) const {
  const Log& log = logs_[id];
  // As in store().
  if (assigned_[id]->generation != log.generation()) return;
  if (log.committed() == log.end() || (log.committed() < 0 && log.size() == 0)) return;
  broken("P3", "all is settled up to %lld, and the group stands at %lld", number(log.end()), number(log.committed()));
}

}  // namespace laneway::simulation
