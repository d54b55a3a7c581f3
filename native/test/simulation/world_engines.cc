// Of the simulated world: engines, what they are handed and how they settle it. See world.h.
#include <algorithm>
#include <limits>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {

namespace {

constexpr size_t kMostZombies = 48;

}  // namespace

void World::attach(size_t number) {
  Engine* engine = engines_[number].get();
  engine->ward = random_.chance(50) ? ++wards_ : 0;
  const auto doorbell = [this, engine] {
    if (!engine->attached) broken("P6", "an engine that has left was rung");
    engine->rung = true;
    cover(Event::kDoorbell);
  };
  engine->attached = true;
  engine->sequential = false;
  split_all();
  dispatcher_->attach(engine->taker, doorbell, engine->ward);
  engine->idle = false;
}

// The end of an engine's thread, or what follows it.
void World::end(size_t number) {
  Engine& engine = *engines_[number];
  if (engine.lost) return abandon(number);
  if (!engine.attached) return attach(number);
  if (engine.ward != 0) return leave(number);
  trace("detach %zu", number);
  cover(Event::kEngineDied);
  dispatcher_->detach(engine.taker, now_ms_);
  engine.attached = false;
  gave_back(number);
}

// Its leases stay: its supervisor settles what it likes of them, as settle_some() does.
void World::leave(size_t number) {
  trace("leave %zu", number);
  cover(Event::kEngineLost);
  Engine& engine = *engines_[number];
  dispatcher_->leave(engine.taker, now_ms_);
  // Nothing of it is needed any more.
  engine.taker = Taker();
  engine.attached = false;
  engine.lost = true;
}

void World::abandon(size_t number) {
  trace("abandon %zu", number);
  Engine& engine = *engines_[number];
  for (const Held& held : engine.held) check_read(held);
  dispatcher_->abandon(engine.ward, now_ms_);
  engine.lost = false;
  gave_back(number);
}

// The leases of the engine went back, and what it still does is a zombie's doing.
void World::gave_back(size_t number) {
  Engine& engine = *engines_[number];
  told_ms_ = now_ms_;
  for (auto& assignment : assigned_) {
    if (assignment) assignment->model.give_back_all(number);
  }
  zombies_.insert(zombies_.end(), engine.held.begin(), engine.held.end());
  if (zombies_.size() > kMostZombies) zombies_.erase(zombies_.begin(), zombies_.end() - kMostZombies);
  engine.held.clear();
}

// A lease is readable for as long as it is one, and is then what was taken.
void World::check_read(const Held& held) {
  auto& assignment = assigned_[held.partition];
  const Pending* message = assignment ? assignment->model.leased(held.offset, held.lease) : nullptr;
  const bool found = dispatcher_->read(reader_, held.lease, held.slot);
  if (found != (message != nullptr))
    broken("P2", "offset %lld: its lease was%s read", number(held.offset), found ? "" : " not");
  if (!found) {
    ++stale_count_;
    return cover(Event::kZombieSettlement);
  }
  cover(Event::kLeaseRead);
  batch_.resize(std::max(batch_.size(), reader_.batch_bytes()));
  reader_.write(batch_.data());
  dispatcher_->end_copy();
  const BatchView batch(batch_.data());
  if (batch.messages() != 1 || batch.offset(0) != held.offset) broken("payload", "another message was read");
  check_message(batch, 0, *message, held.poisoned);
}

size_t World::take(size_t number, size_t max_messages, size_t max_bytes) {
  Engine& engine = *engines_[number];
  if (!engine.attached) return 0;
  engine.rung = false;
  // Engines whose handlers wait ask for short runs.
  const size_t max_run = random_.chance(30) ? random_.below(4) : std::numeric_limits<size_t>::max();
  engine.sequential = random_.chance(habits_.sequential);
  const auto is_there = [](const auto& each) { return each->attached || each->lost; };
  const bool is_alone = std::count_if(engines_.begin(), engines_.end(), is_there) == 1;
  if (!engine.sequential || !is_alone) split_all();
  const size_t count = dispatcher_->take(engine.taker, max_messages, max_bytes, max_run, engine.sequential);
  see_common_lanes();
  engine.idle = count == 0;
  if (count == 0) return 0;
  if (batch_.size() < engine.taker.batch_bytes()) batch_.resize(engine.taker.batch_bytes());
  engine.taker.write(batch_.data());
  dispatcher_->end_copy();
  const BatchView batch(batch_.data());
  if (batch.messages() != count || count > max_messages) broken("P5", "%zu messages were taken", count);
  for (size_t run = 0; run < batch.runs(); ++run) {
    const size_t start = batch.run_start(run);
    if (options_.whole_runs && start != 0 && max_messages - start < options_.max_run_length) {
      broken("runs", "one began with room for %zu messages", max_messages - start);
    }
    check_run(batch, run, number);
  }
  return count;
}

// Every partition has a lane for each key again.
void World::split_all() {
  for (auto& assignment : assigned_) {
    if (!assignment || !assignment->model.common()) continue;
    cover(Event::kSplit);
    if (assignment->model.in_flight() != 0) cover(Event::kSplitInRun);
    assignment->model.split();
  }
}

bool World::has_common_lane(PartitionId id) const {
  if (habits_.sequential == 0) return false;
  for (const PartitionStats& stats : dispatcher_->stats().partitions) {
    if (stats.partition == id) return stats.common_lane;
  }
  return false;
}

// Whether lanes of a partition become one is the dispatcher's choice; what follows from it is not.
void World::see_common_lanes() {
  if (habits_.sequential == 0) return;
  for (const PartitionStats& stats : dispatcher_->stats().partitions) {
    Assignment& assignment = *assigned_[stats.partition];
    AssignmentModel& model = assignment.model;
    if (!stats.common_lane || (model.common() && stats.lanes == model.lanes())) continue;
    if (assignment.full) broken("P5", "partition %u has one lane, and its gap map is full", stats.partition);
    cover(model.common() ? Event::kJoinedCommonLane : Event::kCommonLane);
    model.merge();
    if (model.lanes() > 1) cover(Event::kCommonLaneBesideOthers);
  }
}

// The handler of the first message waits: the others of its run are released at once.
void World::wait_in_run(Engine& engine) {
  const Held next = engine.held[1];
  if (next.partition != engine.held[0].partition) return;
  if (assigned_[next.partition] && assigned_[next.partition]->model.common()) cover(Event::kWaitedInRun);
  plan(next, Outcome::kReleased);
  engine.held.erase(engine.held.begin() + 1);
  forget_rest(engine, next);
  settle_planned();
}

// As engines do: what follows a message in its run goes back with it, and they know no more of it.
void World::forget_rest(Engine& engine, const Held& held) {
  if (random_.chance(20)) return;
  std::erase_if(engine.held, [&](const Held& each) { return each.run == held.run && each.lease > held.lease; });
}

void World::check_run(const BatchView& batch, size_t run, size_t engine) {
  const PartitionId id = batch.run_partition(run);
  const size_t first = batch.run_start(run);
  const size_t last = batch.run_start(run + 1);
  if (id >= assigned_.size() || !assigned_[id] || assigned_[id]->draining) {
    broken("P4", "a message of partition %u was started, which is not active", id);
  }
  // What fills gaps may start all the same: outputs may wait for just that.
  if (output_bytes_ >= options_.max_output_bytes && !assigned_[id]->full) {
    broken("P5", "messages start with %zu bytes of outputs", output_bytes_);
  }
  const bool is_common = assigned_[id]->model.is_in_common_lane(batch.offset(first));
  if (is_common && !engines_[engine]->sequential) broken("P6", "partition %u: other keys wait for a run", id);
  if (!is_common && last - first > options_.max_run_length) broken("P5", "a run of %zu messages", last - first);
  if (is_common && last - first > 1) cover(Event::kRunOfManyKeys);
  trace("start %u from %lld x %zu", id, number(batch.offset(first)), last - first);
  Assignment& assignment = *assigned_[id];
  cover(Event::kStarted, last - first);
  if (last - first > 1) cover(Event::kRun);
  if (assignment.full) cover(Event::kFillsGapOfFullMap);
  size_t run_bytes = 0;
  for (size_t i = first; i < last; ++i) {
    if (assignment.full && batch.offset(i) > assignment.model.highest_settled()) {
      broken("P5", "offset %lld was started above the highest settled one with full metadata", number(batch.offset(i)));
    }
    const Pending& message = assignment.model.start(batch.offset(i), i == first, batch.lease(i), engine);
    const bool poisoned = assignment.model.is_poisoned(message);
    if (poisoned) cover(Event::kPoisonTaken);
    check_message(batch, i, message, poisoned);
    run_bytes += message.size;
    engines_[engine]->held.push_back(
        {batch.lease(i), batch.slot(i), id, batch.offset(i), now_ms_, poisoned, batch.lease(first)});
  }
  if (last - first > 1 && run_bytes > options_.max_run_bytes) broken("P5", "a run of %zu bytes", run_bytes);
}

void World::check_message(const BatchView& batch, size_t i, const Pending& message, bool poisoned) {
  const Record& record = message.record;
  const auto value = batch.value(i);
  const std::string_view expected = traffic_.write(record);
  const size_t value_size = Traffic::value_size(record);
  const bool right = batch.key(i) == traffic_.key_of(record) && value.has_value() == (record.value_size >= 0) &&
                     value.value_or(std::string_view()) == expected.substr(0, value_size) &&
                     batch.headers(i) == expected.substr(value_size) &&
                     batch.timestamp_ms(i) == static_cast<int64_t>(record.id);
  if (!right) broken("payload", "offset %lld has other bytes than were put in", number(record.offset));
  if (message.failed != 0) cover(Event::kLaterAttempt);
  if (batch.attempt(i) != (poisoned ? 0 : message.failed + 1)) {
    broken("attempts", "offset %lld: attempt %u after %u failures", number(record.offset), batch.attempt(i),
           message.failed);
  }
  if (batch.first_failure_ms(i) != message.first_failed_ms) {
    broken("attempts", "offset %lld: failed first at %lld, not %lld", number(record.offset),
           number(message.first_failed_ms), number(batch.first_failure_ms(i)));
  }
}

void World::settle_some(size_t number) {
  Engine& engine = *engines_[number];
  if (engine.held.size() > 1 && random_.chance(habits_.waits)) wait_in_run(engine);
  for (size_t count = random_.below(habits_.settled_at_once); count > 0 && !engine.held.empty(); --count) {
    // Mostly in order; sometimes out of order within a run, as a batch handler does.
    const size_t index = random_.chance(habits_.out_of_order) ? random_.below(engine.held.size()) : 0;
    const Held held = engine.held[index];
    if (engine.lost) check_read(held);
    engine.held.erase(engine.held.begin() + static_cast<std::ptrdiff_t>(index));
    const size_t what = random_.below(100);
    if (is_transactional_ && random_.chance(80)) hold_output(held, random_.below(40) + 1);
    if (held.poisoned || random_.chance(habits_.dead_lettered)) {
      settle_planned();
      withhold(held);
      forget_rest(engine, held);
    } else if (habits_.handler_timeout_ms != 0 && now_ms_ - held.taken_ms > habits_.handler_timeout_ms) {
      // The handler was told to stop, and has ended now.
      cover(Event::kTimedOut);
      plan(held, Outcome::kRetried, static_cast<uint32_t>(random_.below(60)));
    } else if (random_.chance(habits_.blocked)) {
      plan(held, Outcome::kBlocked);
    } else if (habits_.stalls && Traffic::stalls(held.offset) && what >= 5) {
      plan(held, Outcome::kRetried, static_cast<uint32_t>(random_.below(5'000)));
    } else if (what < habits_.retried) {
      plan(held, Outcome::kRetried, static_cast<uint32_t>(random_.below(60)));
    } else if (what < habits_.retried + habits_.released) {
      plan(held, Outcome::kReleased);
    } else {
      plan(held, what > 100 - habits_.dropped ? Outcome::kDropped : Outcome::kCompleted);
    }
    const bool goes_back = !settlements_.empty() && settlements_.back().outcome != Outcome::kCompleted &&
                           settlements_.back().outcome != Outcome::kDropped;
    if (goes_back) forget_rest(engine, held);
    if (random_.chance(2)) plan(held, Outcome::kCompleted, 0, Event::kDoubleSettlement);
  }
  settle_planned();
}

void World::settle_all(size_t number) {
  for (const Held& held : engines_[number]->held) {
    if (is_transactional_) hold_output(held, 1);
    plan(held, held.poisoned ? Outcome::kDropped : Outcome::kCompleted);
  }
  engines_[number]->held.clear();
  settle_planned();
}

// P4: settlements of earlier epochs and attempts, doubled ones, and ones that never were.
void World::settle_stale() {
  if (!zombies_.empty() && random_.chance(80)) {
    plan(zombies_[random_.below(zombies_.size())], static_cast<Outcome>(random_.below(6)));
  } else {
    const PartitionId id = static_cast<PartitionId>(random_.below(logs_.size()));
    plan({random_.next() >> 12, static_cast<uint32_t>(random_.below(3'000)), id, -1}, Outcome::kCompleted, 0,
         Event::kUnknownSettlement);
  }
  settle_planned();
}

void World::plan(const Held& held, Outcome outcome, uint32_t delay_ms, Event stale_as) {
  settlements_.push_back({held.lease, held.slot, delay_ms, outcome});
  planned_.push_back({held, stale_as});
}

void World::settle_planned() {
  if (planned_.empty()) return;
  told_ms_ = now_ms_;
  dispatcher_->settle(settlements_, now_ms_);
  for (size_t i = 0; i < planned_.size(); ++i) apply(planned_[i], settlements_[i]);
  settlements_.clear();
  planned_.clear();
}

// What the settlement means, to the model and to the broker.
void World::apply(const Planned& planned, const Settlement& settlement) {
  const Held& held = planned.held;
  Assignment* assignment = assigned_[held.partition] ? &*assigned_[held.partition] : nullptr;
  Pending* message = assignment == nullptr ? nullptr : assignment->model.leased(held.offset, held.lease);
  if (message == nullptr) {
    ++stale_count_;
    return cover(planned.stale_as);
  }
  AssignmentModel& model = assignment->model;
  const size_t in_flight = model.in_flight();
  switch (settlement.outcome) {
    case Outcome::kRetried:
      cover(Event::kRetried);
      if (has_output(held)) cover(Event::kOutputOfFailure);
      model.retry(*message, now_ms_ + settlement.delay_ms);
      break;
    case Outcome::kBlocked:
      cover(Event::kBlocked);
      model.block(*message);
      break;
    case Outcome::kReleased:
      cover(Event::kGivenBack);
      model.give_back(*message);
      break;
    case Outcome::kCompleted:
    case Outcome::kDropped:
    case Outcome::kDeadLettered:
      cover(settlement.outcome == Outcome::kDropped ? Event::kDropped : Event::kCompleted);
      return settled(*assignment, held, *message, settlement.outcome);
  }
  if (in_flight - model.in_flight() > 1) cover(Event::kLeftRunBehind);
}

void World::settled(Assignment& assignment, const Held& held, Pending& message, Outcome outcome) {
  const bool with_output = outcome != Outcome::kDropped && has_output(held);
  logs_[held.partition].mark_settled(message.record, with_output);
  assignment.model.settle(message, outcome == Outcome::kCompleted);
  assignment.window_refused = false;
}

}  // namespace laneway::simulation
