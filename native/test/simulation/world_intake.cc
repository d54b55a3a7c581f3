// Of the simulated world: the ingest thread. See world.h.
#include <algorithm>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {

// A batch may stay open while other things happen; there is one ingest thread, so no second one is begun meanwhile.
void World::ingest(PartitionId id) {
  if (!staging_ && !open(id)) return;
  if (random_.chance(2)) {
    cover(Event::kTruncationMidBatch);
    truncate(staging_->partition);
  }
  const bool more = add_some(random_.below(8) + 1);
  if (!more || random_.chance(70)) publish();
}

bool World::open(PartitionId id) {
  // The ingest thread may lag behind: an epoch that has ended is refused.
  if (!assigned_[id] || random_.chance(2)) {
    const uint64_t epoch = assigned_[id] ? assigned_[id]->epoch - 1 : 1;
    if (intake_->open(id, epoch) != 0) broken("P4", "an ended epoch takes messages");
    cover(Event::kOpenOfEndedEpoch);
    return false;
  }
  Assignment& assignment = *assigned_[id];
  const size_t room = intake_->open(id, assignment.epoch);
  if (room == 0) {
    check_refusal(id);
    return false;
  }
  if (assignment.draining || stopped_) broken("P4", "partition %u takes messages while it drains", id);
  const size_t used = assignment.model.messages();
  if (used != 0 || room != 1) check_room(id, room, used);
  assignment.window_refused = false;
  staging_ = Staging{id, assignment.epoch, 0, room, -1, {}};
  return true;
}

// An empty partition always gets one message, whatever there is.
void World::check_room(PartitionId id, size_t room, size_t used) {
  const Division division = division_of_messages();
  if (room > division.left) broken("P5", "partition %u gets room for %zu messages of %zu", id, room, division.left);
  if (!division.may_give(room, used)) {
    broken("P6", "partition %u gets room for %zu messages beside its %zu, at the cost of others", id, room, used);
  }
}

// P6: a partition is refused only for a reason that is still true.
void World::check_refusal(PartitionId id) {
  const Assignment& assignment = *assigned_[id];
  if (assignment.window_refused) cover(Event::kRefusedForWindow);
  if (assignment.draining || assignment.window_refused || stopped_) return;
  cover(Event::kRefusedForBudget);
  if (division_of_messages().may_refuse(assignment.model.messages())) return;
  if (division_of_bytes().may_refuse(assignment.model.bytes())) return;
  broken("P6", "partition %u is refused with %zu messages and %zu bytes of its own", id, assignment.model.messages(),
         assignment.model.bytes());
}

Division World::division_of_messages() const {
  return Division(uses(&AssignmentModel::messages), options_.max_buffered_messages, options_.good_batch_messages);
}

Division World::division_of_bytes() const {
  return Division(uses(&AssignmentModel::bytes), options_.max_buffered_bytes, options_.good_batch_bytes);
}

// What each assigned partition has of it.
std::vector<size_t> World::uses(size_t (AssignmentModel::*of)() const) const {
  std::vector<size_t> uses;
  for (const auto& each : assigned_) {
    if (each) uses.push_back((each->model.*of)());
  }
  return uses;
}

// False when the batch takes no more, or the log has none.
bool World::add_some(size_t most) {
  Staging& staging = *staging_;
  const PartitionId id = staging.partition;
  if (!assigned_[id] || assigned_[id]->epoch != staging.epoch) return false;
  const Log& log = logs_[id];
  for (; most > 0; --most) {
    const Record* record = log.next(positions_[id]);
    if (record == nullptr) return false;
    if (!intake_->add(traffic_.incoming(*record))) {
      if (staging.left == staging.records.size()) return false;
      staging.refused = record->offset;
      return false;
    }
    if (staging.records.size() == staging.left) broken("P5", "more were added than there was room for");
    staging.records.push_back(*record);
    staging.generation = log.generation();
    positions_[id] = record->offset + 1;
  }
  return true;
}

void World::publish() {
  const Staging staging = std::move(*staging_);
  staging_.reset();
  const PartitionId id = staging.partition;
  if (!intake_->publish()) broken("P1", "a message did not fit into the window");
  cover(Event::kBatch);
  if (!assigned_[id] || assigned_[id]->epoch != staging.epoch) return cover(Event::kBatchOfEndedEpoch);
  Assignment& assignment = *assigned_[id];
  const Log& log = logs_[id];
  const bool joins = has_common_lane(id);
  for (const Record& record : staging.records) {
    const size_t size = traffic_.size_of(record);
    if (slab_footprint(size) > slab_bytes_ / 4) cover(Event::kLoneMessage);
    assignment.model.publish(record, size, joins);
  }
  if (!staging.records.empty()) {
    trace("publish %u up to %lld", id, number(staging.records.back().offset));
    if (staging.generation == log.generation()) assignment.generation = log.generation();
  }
  // For bytes or for the window. The latter closes the partition, if it is still so.
  assignment.window_refused = staging.refused >= 0 && assignment.model.window_full(staging.refused);
  if (log.next(positions_[id]) != nullptr || log.end() < positions_[id] || !random_.chance(50)) return;
  trace("end of %u at %lld", id, number(log.end()));
  dispatcher_->reach_end(id, assignment.epoch, log.end());
  assignment.model.reach_end(log.end());
  cover(Event::kEndReached);
  if (assignment.model.end_waits()) cover(Event::kEndAboveWindow);
  positions_[id] = log.end();
  if (random_.chance(5)) truncate(id);
}

}  // namespace laneway::simulation
