// See world.h. In the order of a message's way: the steps, the consumer's life, intake, engines, commits, the end,
// checks.
#include "test/simulation/world.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "test/simulation/promise.h"

namespace laneway::simulation {

namespace {

constexpr size_t kMostZombies = 48;
// As MetadataWriter's.
constexpr double kNearLimit = 0.9;
constexpr double kHasRoom = 0.7;
constexpr double kResumeAt = 0.7;

bool settles(Outcome outcome) { return outcome != Outcome::kRetried && outcome != Outcome::kReleased; }

}  // namespace

World::World(uint64_t seed, bool verbose) : random_(seed), verbose_(verbose), traffic_(random_) {
  options_.order = static_cast<Order>(random_.below(3));
  options_.concurrency = static_cast<uint32_t>(random_.between(1, 8));
  options_.max_buffered_messages = static_cast<size_t>(random_.between(1, 60));
  options_.max_buffered_bytes = static_cast<size_t>(random_.chance(50) ? random_.between(1, 8'000) : 100'000);
  options_.max_run_length = static_cast<uint32_t>(random_.between(1, 5));
  options_.max_window = random_.chance(30) ? 64 : 4'096;
  options_.seed = random_.next();
  slab_bytes_ = SlabPool(options_.max_buffered_bytes).slab_bytes();
  carrier_ = random_.chance(50) ? Carrier::kBase32768 : Carrier::kBase64;
  metadata_units_ = random_.chance(40) ? random_.below(16) : 4'096;
  const bool troubled = random_.chance(80);
  habits_.retried = troubled ? static_cast<unsigned>(random_.below(30)) : 0;
  habits_.released = troubled ? static_cast<unsigned>(random_.below(10)) : 0;
  habits_.dropped = troubled ? 5 : 0;
  habits_.stalls = random_.chance(40);
  habits_.out_of_order = random_.chance(50) ? 40 : 5;
  habits_.produced_at_once = random_.chance(30) ? 6 : 2;
  habits_.settled_at_once = random_.chance(30) ? 2 : 8;
  habits_.taken_at_once = random_.chance(30) ? 2 : 12;
  if (random_.chance(12)) fill_slabs();
  for (int64_t count = random_.between(1, 3); count > 0; --count) logs_.emplace_back(random_);
  start_consumer();
}

World::~World() { stop_consumer(); }

// A history in which stalled messages pin slabs until the pool is at its limit and compaction moves them.
void World::fill_slabs() {
  options_.max_buffered_bytes = static_cast<size_t>(random_.between(3'000, 9'000));
  options_.max_buffered_messages = 60;
  options_.concurrency = 8;
  options_.max_window = 4'096;
  metadata_units_ = 4'096;
  slab_bytes_ = SlabPool(options_.max_buffered_bytes).slab_bytes();
  habits_ = {5, 2, 2, 40, true, 8, 12, 12};
  traffic_.fill_slabs();
}

void World::run(int steps) {
  for (int i = 0; i < steps; ++i) {
    step();
    check();
  }
  drain_everything();
}

void World::step() {
  now_ms_ += random_.between(0, 20);
  const auto id = static_cast<PartitionId>(random_.below(logs_.size()));
  const size_t engine = random_.below(engines_.size());
  const size_t what = random_.below(1'000);
  if (what < 180) return produce(id);
  if (what < 430) return ingest(id);
  if (what < 630) {
    take(engine, random_.below(habits_.taken_at_once) + 1, random_.chance(30) ? random_.below(200) : 1'000'000);
    return;
  }
  if (what < 850) return settle_some(engine);
  if (what < 900) {
    const int64_t due_ms = dispatcher_->advance(now_ms_);
    int64_t expected = -1;
    for (auto& assignment : assigned_) {
      if (!assignment) continue;
      assignment->model.advance(now_ms_);
      const int64_t next = assignment->model.next_due_ms();
      if (next >= 0 && (expected < 0 || next < expected)) expected = next;
    }
    if (due_ms != expected) broken("P6", "the next timer is due at %lld, not %lld", number(expected), number(due_ms));
    return;
  }
  if (what < 940) return commit(false);
  if (what < 955) return settle_stale();
  if (what < 980) return rebalance(id);
  if (what < 985) return engines_[engine]->attached ? detach(engine) : attach(engine);
  if (what < 993) return change_log(id);
  if (what < 996) return forget_limit(id);
  if (what < 999) return crash();
  close();
}

void World::produce(PartitionId id) {
  for (size_t count = random_.below(habits_.produced_at_once) + 1; count > 0; --count) {
    logs_[id].append(random_, traffic_);
  }
}

void World::rebalance(PartitionId id) {
  if (!assigned_[id]) return assign(id);
  if (assigned_[id]->draining) return release(id, false);
  const size_t what = random_.below(10);
  if (what < 4) return drain(id);
  if (what < 7) return release(id, true);
  if (what < 8) return assign(id);
}

// --- The consumer's life ---------------------------------------------------------------------------------------------

void World::start_consumer() {
  dispatcher_ = std::make_unique<Dispatcher>(options_);
  intake_ = std::make_unique<Intake>(*dispatcher_);
  const size_t count = static_cast<size_t>(random_.between(1, 3));
  for (size_t i = 0; i < count; ++i) {
    engines_.push_back(std::make_unique<Engine>());
    attach(i);
  }
  assigned_.clear();
  assigned_.resize(logs_.size());
  positions_.assign(logs_.size(), 0);
  stale_count_ = 0;
  stopped_ = false;
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    if (random_.chance(70)) assign(id);
  }
}

void World::stop_consumer() {
  staging_.reset();
  intake_.reset();
  engines_.clear();
  zombies_.clear();
  dispatcher_.reset();
}

void World::crash() {
  trace("crash");
  stop_consumer();
  start_consumer();
}

// Stops taking, lets some of what is leased settle, commits, ends.
void World::close() {
  trace("close");
  dispatcher_->stop_taking();
  stopped_ = true;
  for (size_t engine = 0; engine < engines_.size(); ++engine) {
    if (take(engine, 10, 1'000) != 0) broken("P6", "take found something after the stop");
    if (random_.chance(70)) settle_all(engine);
  }
  check();
  commit(false);
  crash();
}

void World::assign(PartitionId id) {
  const Log& log = logs_[id];
  std::optional<GapMap> map;
  if (log.committed() >= 0) {
    map.emplace();
    map->base = log.committed();
    // Sometimes another consumer has committed the same offset without our metadata.
    if (!log.metadata().empty() && !random_.chance(3)) {
      auto decoded = decode_gap_map(log.committed(), log.metadata());
      if (!decoded) broken("P3", "committed metadata does not decode: %s", decoded.failure().message.c_str());
      if (*decoded != log.committed_map()) broken("P3", "metadata decodes to another map than was committed");
      map = std::move(*decoded);
    }
  }
  const uint64_t epoch = dispatcher_->assign(id, map);
  positions_[id] = map ? std::max(map->base, log.start()) : log.start();
  assigned_[id].emplace(
      Assignment{epoch, {options_.order, traffic_.keys(), std::move(map), options_.max_window}, log.generation()});
  trace("assign %u epoch %lld from %lld", id, number(epoch), number(positions_[id]));
}

void World::drain(PartitionId id) {
  trace("drain %u", id);
  dispatcher_->begin_drain(id);
  assigned_[id]->draining = true;
}

void World::release(PartitionId id, bool lost) {
  trace("%s %u", lost ? "lose" : "release", id);
  const bool drained = assigned_[id]->model.in_flight() == 0;
  if (dispatcher_->drained(id) != drained) broken("P6", "partition %u: drained() is not %d", id, drained);
  if (!lost) {
    if (const auto snapshot = dispatcher_->snapshot(id)) store(*snapshot, false);
  }
  dispatcher_->release(id);
  assigned_[id].reset();
}

void World::change_log(PartitionId id) {
  Log& log = logs_[id];
  const size_t what = random_.below(4);
  if (what < 2) return truncate(id);
  if (what == 2) return log.compact(random_);
  if (log.size() == 0) return;
  const Offset from = log.next(log.start())->offset + random_.between(0, 20);
  if (from > log.end()) return;
  trace("the log of %u starts at %lld", id, number(from));
  log.retain_from(from);
  // Whoever is below is moved up.
  if (assigned_[id]) positions_[id] = std::max(positions_[id], from);
}

void World::truncate(PartitionId id) {
  Log& log = logs_[id];
  if (log.end() - log.start() < 2) return;
  const Offset deepest = random_.chance(30) ? 200 : 6;
  const Offset to = log.end() - random_.between(1, std::min<Offset>(log.end() - log.start(), deepest));
  // A gap map that was recovered before the truncation names offsets that other messages have now. Only leader epochs
  // could tell (docs/decisions/0002); the simulated cluster does not lose what recovered metadata names.
  if (assigned_[id] && assigned_[id]->model.recovered_highest() >= to) return;
  trace("truncate %u to %lld", id, number(to));
  const bool had_noticed = assigned_[id] && assigned_[id]->generation == log.generation();
  log.truncate(to);
  log.append(random_, traffic_);
  if (random_.chance(20)) log.skip(random_.between(1, 100));
  for (size_t count = random_.below(6); count > 0; --count) log.append(random_, traffic_);
  if (!assigned_[id]) return;
  // The client notices by its own means and goes back; the dispatcher notices by what comes next.
  if (positions_[id] <= to && had_noticed) assigned_[id]->generation = log.generation();
  positions_[id] = std::min(positions_[id], to);
}

// --- Intake ----------------------------------------------------------------------------------------------------------

// A batch may stay open while other things happen; there is one ingest thread, so no second one is begun meanwhile.
void World::ingest(PartitionId id) {
  if (!staging_ && !open(id)) return;
  if (random_.chance(2)) truncate(staging_->partition);  // in the middle of the batch
  const bool more = add_some(random_.below(8) + 1);
  if (!more || random_.chance(70)) publish();
}

bool World::open(PartitionId id) {
  // The ingest thread may lag behind: an epoch that has ended is refused.
  if (!assigned_[id] || random_.chance(2)) {
    const uint64_t epoch = assigned_[id] ? assigned_[id]->epoch - 1 : 1;
    if (intake_->open(id, epoch) != 0) broken("P4", "an ended epoch takes messages");
    return false;
  }
  Assignment& assignment = *assigned_[id];
  const size_t room = intake_->open(id, assignment.epoch);
  if (room == 0) {
    check_refusal(id);
    return false;
  }
  if (assignment.draining || stopped_) broken("P4", "partition %u takes messages while it drains", id);
  assignment.window_refused = false;
  staging_ = Staging{id, assignment.epoch, 0, room, -1, {}};
  return true;
}

// P6: a partition is refused only for a reason that is still true.
void World::check_refusal(PartitionId id) {
  const Assignment& assignment = *assigned_[id];
  if (assignment.draining || assignment.window_refused || stopped_) return;
  const DispatcherStats stats = dispatcher_->stats();
  const auto is_full = [&](size_t own, size_t all, size_t limit) {
    const auto share = static_cast<double>(std::max<size_t>(limit / stats.partitions.size(), 1));
    return static_cast<double>(own) > share * kResumeAt ||
           static_cast<double>(all) > static_cast<double>(limit) - share * (1 - kResumeAt);
  };
  if (is_full(assignment.model.messages(), stats.buffered_messages, options_.max_buffered_messages)) return;
  if (is_full(assignment.model.bytes(), stats.buffered_bytes, options_.max_buffered_bytes)) return;
  broken("P6", "partition %u is refused with %zu messages of %zu and %zu bytes of %zu buffered", id,
         assignment.model.messages(), stats.buffered_messages, assignment.model.bytes(), stats.buffered_bytes);
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
  if (!assigned_[id] || assigned_[id]->epoch != staging.epoch) return;
  Assignment& assignment = *assigned_[id];
  const Log& log = logs_[id];
  for (const Record& record : staging.records) assignment.model.publish(record, traffic_.size_of(record));
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
  positions_[id] = log.end();
  if (random_.chance(5)) truncate(id);
}

// --- Engines ---------------------------------------------------------------------------------------------------------

void World::attach(size_t number) {
  Engine* engine = engines_[number].get();
  dispatcher_->attach(engine->taker, [engine] { engine->rung = true; });
  engine->attached = true;
  engine->idle = false;
}

// The engine dies: its leases go back, and what it still does is a zombie's doing.
void World::detach(size_t number) {
  trace("detach %zu", number);
  Engine& engine = *engines_[number];
  dispatcher_->detach(engine.taker, now_ms_);
  for (auto& assignment : assigned_) {
    if (assignment) assignment->model.give_back_all(number);
  }
  zombies_.insert(zombies_.end(), engine.held.begin(), engine.held.end());
  if (zombies_.size() > kMostZombies) zombies_.erase(zombies_.begin(), zombies_.end() - kMostZombies);
  engine.held.clear();
  engine.attached = false;
}

size_t World::take(size_t number, size_t max_messages, size_t max_bytes) {
  Engine& engine = *engines_[number];
  if (!engine.attached) return 0;
  engine.rung = false;
  const size_t count = dispatcher_->take(engine.taker, max_messages, max_bytes);
  engine.idle = count == 0;
  if (count == 0) return 0;
  if (batch_.size() < engine.taker.batch_bytes()) batch_.resize(engine.taker.batch_bytes());
  engine.taker.write(batch_.data());
  dispatcher_->end_copy();
  const BatchView batch(batch_.data());
  if (batch.messages() != count || count > max_messages) broken("P5", "%zu messages were taken", count);
  for (size_t run = 0; run < batch.runs(); ++run) check_run(batch, run, number);
  return count;
}

void World::check_run(const BatchView& batch, size_t run, size_t engine) {
  const PartitionId id = batch.run_partition(run);
  const size_t first = batch.run_start(run);
  const size_t last = batch.run_start(run + 1);
  if (id >= assigned_.size() || !assigned_[id] || assigned_[id]->draining) {
    broken("P4", "a message of partition %u was started, which is not active", id);
  }
  if (last - first > options_.max_run_length) broken("P5", "a run of %zu messages", last - first);
  trace("start %u from %lld x %zu", id, number(batch.offset(first)), last - first);
  Assignment& assignment = *assigned_[id];
  for (size_t i = first; i < last; ++i) {
    if (assignment.full && batch.offset(i) > assignment.model.highest_settled()) {
      broken("P5", "offset %lld was started above the highest settled one with full metadata", number(batch.offset(i)));
    }
    check_message(batch, i, assignment.model.start(batch.offset(i), i == first, batch.lease(i), engine));
    engines_[engine]->held.push_back({batch.lease(i), batch.slot(i), id, batch.offset(i)});
  }
}

void World::check_message(const BatchView& batch, size_t i, const Pending& message) {
  const Record& record = message.record;
  const auto value = batch.value(i);
  const std::string_view expected = traffic_.write(record);
  const size_t value_size = Traffic::value_size(record);
  const bool right = batch.key(i) == traffic_.key_of(record) && value.has_value() == (record.value_size >= 0) &&
                     value.value_or(std::string_view()) == expected.substr(0, value_size) &&
                     batch.headers(i) == expected.substr(value_size) &&
                     batch.timestamp_ms(i) == static_cast<int64_t>(record.id);
  if (!right) broken("payload", "offset %lld has other bytes than were put in", number(record.offset));
  if (batch.attempt(i) != message.failed + 1) {
    broken("attempts", "offset %lld: attempt %u after %u failures", number(record.offset), batch.attempt(i),
           message.failed);
  }
}

void World::settle_some(size_t number) {
  Engine& engine = *engines_[number];
  for (size_t count = random_.below(habits_.settled_at_once); count > 0 && !engine.held.empty(); --count) {
    // Mostly in order; sometimes out of order within a run, as a batch handler does.
    const size_t index = random_.chance(habits_.out_of_order) ? random_.below(engine.held.size()) : 0;
    const Held held = engine.held[index];
    engine.held.erase(engine.held.begin() + static_cast<std::ptrdiff_t>(index));
    const size_t what = random_.below(100);
    if (habits_.stalls && Traffic::stalls(held.offset) && what >= 5) {
      plan(held, Outcome::kRetried, static_cast<uint32_t>(random_.below(5'000)));
    } else if (what < habits_.retried) {
      plan(held, Outcome::kRetried, static_cast<uint32_t>(random_.below(60)));
    } else if (what < habits_.retried + habits_.released) {
      plan(held, Outcome::kReleased, 0);
    } else {
      plan(held, what > 100 - habits_.dropped ? Outcome::kDropped : Outcome::kCompleted, 0);
    }
    if (random_.chance(2)) plan(held, Outcome::kCompleted, 0);  // twice
  }
  settle_planned();
}

void World::settle_all(size_t number) {
  for (const Held& held : engines_[number]->held) plan(held, Outcome::kCompleted, 0);
  engines_[number]->held.clear();
  settle_planned();
}

// P4: settlements of earlier epochs and attempts, doubled ones, and ones that never were.
void World::settle_stale() {
  if (!zombies_.empty() && random_.chance(80)) {
    plan(zombies_[random_.below(zombies_.size())], static_cast<Outcome>(random_.below(5)), 0);
  } else {
    const PartitionId id = static_cast<PartitionId>(random_.below(logs_.size()));
    plan({random_.next() >> 12, static_cast<uint32_t>(random_.below(3'000)), id, -1}, Outcome::kCompleted, 0);
  }
  settle_planned();
}

void World::plan(const Held& held, Outcome outcome, uint32_t delay_ms) {
  planned_.push_back({held.lease, held.slot, delay_ms, outcome});
  planned_held_.push_back(held);
}

void World::settle_planned() {
  dispatcher_->settle(planned_, now_ms_);
  for (size_t i = 0; i < planned_.size(); ++i) apply(planned_held_[i], planned_[i]);
  planned_.clear();
  planned_held_.clear();
}

// What the settlement means, to the model and to the broker.
void World::apply(const Held& held, const Settlement& settlement) {
  Assignment* assignment = assigned_[held.partition] ? &*assigned_[held.partition] : nullptr;
  Pending* message = assignment == nullptr ? nullptr : assignment->model.leased(held.offset, held.lease);
  if (message == nullptr) {
    ++stale_count_;
    return;
  }
  if (!settles(settlement.outcome)) {
    const bool retried = settlement.outcome == Outcome::kRetried;
    assignment->model.give_back(*message, retried ? std::optional(now_ms_ + settlement.delay_ms) : std::nullopt);
    return;
  }
  logs_[held.partition].mark_settled(message->record);
  assignment->model.settle(*message);
  assignment->window_refused = false;
}

// --- Commits ---------------------------------------------------------------------------------------------------------

void World::commit(bool healthy) {
  for (const CommitSnapshot& snapshot : dispatcher_->changed()) {
    if (!assigned_[snapshot.partition] || snapshot.epoch != assigned_[snapshot.partition]->epoch) {
      broken("P4", "a snapshot of an epoch that has ended");
    }
    assigned_[snapshot.partition]->model.check(snapshot.map);
    if (!store(snapshot, healthy)) dispatcher_->mark_changed(snapshot.partition, snapshot.epoch);
  }
}

// As if a refused commit had taught another limit: the partition is committed again.
void World::forget_limit(PartitionId id) {
  if (!assigned_[id]) return;
  assigned_[id]->full = random_.chance(50);
  dispatcher_->set_metadata_full(id, assigned_[id]->full);
  dispatcher_->mark_changed(id, assigned_[id]->epoch);
}

// What the client and the broker make of a commit; false when the consumer hears of a failure (the commit may have
// happened).
bool World::store(const CommitSnapshot& snapshot, bool healthy) {
  const PartitionId id = snapshot.partition;
  Assignment& assignment = *assigned_[id];
  EncodedMetadata encoded = encode_gap_map(snapshot.map, carrier_, metadata_units_);
  if (encoded.units > metadata_units_) broken("P5", "metadata of %zu units", encoded.units);
  const auto units = static_cast<double>(encoded.units);
  const auto limit = static_cast<double>(metadata_units_);
  const bool is_cut = encoded.covered < snapshot.map.length;
  if (is_cut || units > limit * kNearLimit) assignment.full = true;
  if (snapshot.map.empty() || (!is_cut && units < limit * kHasRoom)) assignment.full = false;
  dispatcher_->set_metadata_full(id, assignment.full);

  if (!healthy && random_.chance(10)) return false;
  Log& log = logs_[id];
  // A consumer that has not noticed a truncation yet: as in truncate(), not this simulation's case.
  if (assignment.generation != log.generation()) return true;
  trace("commit %u at %lld, %zu units", id, number(snapshot.map.base), encoded.units);
  log.check_commit(snapshot.map);
  log.commit(snapshot.map.base, std::move(encoded.text), snapshot.map.prefix(encoded.covered));
  return healthy || random_.chance(90);
}

// --- The end ---------------------------------------------------------------------------------------------------------

// With everything healthy, all that was ever produced must be settled within a bounded number of rounds.
void World::drain_everything() {
  trace("drain everything");
  if (staging_) publish();
  size_t left = 20;
  for (const Log& log : logs_) left += 2 * log.size();
  while (!drain_round()) {
    check();
    if (left-- == 0) broken("P6", "not drained; every round could have settled a message of every partition");
  }
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    logs_[id].check_nothing_lost();
    dispatcher_->reach_end(id, assigned_[id]->epoch, logs_[id].end());
    assigned_[id]->model.reach_end(logs_[id].end());
    if (assigned_[id]->model.base() != logs_[id].end()) broken("P1", "partition %u ends below the log's end", id);
  }
  commit(true);
  check();
}

bool World::drain_round() {
  now_ms_ += 1'000;
  dispatcher_->advance(now_ms_);
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    if (assigned_[id] && assigned_[id]->draining) release(id, false);
    if (!assigned_[id]) assign(id);
    assigned_[id]->model.advance(now_ms_);
    if (open(id)) {
      add_some(SIZE_MAX);
      publish();
    }
  }
  for (size_t engine = 0; engine < engines_.size(); ++engine) {
    if (!engines_[engine]->attached) attach(engine);
    take(engine, 1'000, 1'000'000);
    settle_all(engine);
  }
  commit(true);
  return caught_up();
}

bool World::caught_up() const {
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    if (!assigned_[id] || assigned_[id]->model.messages() != 0 || logs_[id].next(positions_[id]) != nullptr)
      return false;
  }
  return true;
}

// --- Checks ----------------------------------------------------------------------------------------------------------

void World::check() {
  const DispatcherStats stats = dispatcher_->stats();
  size_t messages = 0;
  size_t bytes = 0;
  size_t in_flight = 0;
  size_t lanes = 0;
  size_t executing = 0;
  size_t closed = 0;
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
  }
  const auto equal = [](const char* promise, const char* what, size_t seen, size_t expected) {
    if (seen != expected) broken(promise, "%s: %zu, expected %zu", what, seen, expected);
  };
  equal("P4", "stale settlements", stats.stale_settlements, stale_count_);
  equal("P5", "messages in flight", stats.in_flight, in_flight);
  equal("P5", "buffered messages", stats.buffered_messages, messages);
  equal("P5", "buffered bytes", stats.buffered_bytes, bytes);
  equal("P5", "lanes", stats.lanes, lanes);
  equal("P5", "executed lanes", stats.executing_lanes, executing);
  equal("P5", "lanes with a timer", stats.waiting_lanes, closed);
  equal("P5", "partitions", stats.partitions.size(), partitions);
  if (executing > options_.concurrency) broken("P5", "%zu lanes are executed", executing);
  if (messages > options_.max_buffered_messages + logs_.size()) broken("P5", "%zu messages are buffered", messages);
  if (bytes > options_.max_buffered_bytes + (logs_.size() + 1) * traffic_.largest_message()) {
    broken("P5", "%zu bytes are buffered", bytes);
  }
  check_slabs(stats);
  for (const PartitionStats& partition : stats.partitions) check_partition(partition);
  check_no_engine_sleeps();
}

// Half-empty slabs at worst, beside those being filled and what is staged.
void World::check_slabs(const DispatcherStats& stats) {
  size_t live = stats.buffered_bytes + stats.buffered_messages * 2 * sizeof(SlabRecord);
  if (staging_) {
    for (const Record& record : staging_->records) live += slab_footprint(traffic_.size_of(record));
  }
  const size_t limit = 2 * options_.max_buffered_bytes + 2 * slab_bytes_;
  if (stats.slab_bytes > std::max(limit, 2 * live) + 4 * slab_bytes_) {
    broken("P5", "%zu bytes of slabs for %zu bytes", stats.slab_bytes, live);
  }
}

// P1: the committable offset is exactly the lowest unsettled one, and what is said of it belongs together.
void World::check_partition(const PartitionStats& stats) {
  Assignment& assignment = *assigned_[stats.partition];
  AssignmentModel& model = assignment.model;
  if (stats.epoch != assignment.epoch) broken("P4", "epoch %lld is not the latest", number(stats.epoch));
  if (stats.position != model.position()) {
    broken("P1", "position %lld, expected %lld", number(stats.position), number(model.position()));
  }
  if (!model.started()) return;
  if (stats.committable != model.base() || stats.highest_settled != model.highest_settled()) {
    broken("P1", "committable %lld, highest settled %lld; expected %lld and %lld", number(stats.committable),
           number(stats.highest_settled), number(model.base()), number(model.highest_settled()));
  }
  if (!model.knows_above_position() && stats.gaps != model.gaps()) {
    broken("P1", "%lld gaps, expected %lld", number(stats.gaps), number(model.gaps()));
  }
  if (stats.buffered_messages != model.messages() || stats.in_flight != model.in_flight()) {
    broken("P5", "partition %u buffers %zu and has %zu in flight", stats.partition, stats.buffered_messages,
           stats.in_flight);
  }
}

// P6: an engine that found nothing is rung before there is something.
void World::check_no_engine_sleeps() {
  if (stopped_) return;
  const bool sleeps = std::any_of(engines_.begin(), engines_.end(),
                                  [](const auto& engine) { return engine->attached && engine->idle && !engine->rung; });
  if (!sleeps) return;
  size_t executing = 0;
  for (const auto& assignment : assigned_) executing += assignment ? assignment->model.executing_lanes() : 0;
  if (executing == options_.concurrency) return;
  for (PartitionId id = 0; id < assigned_.size(); ++id) {
    if (!assigned_[id] || assigned_[id]->draining) continue;
    if (assigned_[id]->model.has_startable(assigned_[id]->full)) {
      broken("P6", "partition %u has work, an engine is idle and was not rung", id);
    }
  }
}

void World::trace(const char* format, ...) const {
  if (!verbose_) return;
  std::fprintf(stderr, "%lld ", number(now_ms_));
  std::va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
}

}  // namespace laneway::simulation
