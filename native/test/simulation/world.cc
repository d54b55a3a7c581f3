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

}  // namespace

World::World(uint64_t seed, bool verbose, Coverage& coverage)
    : random_(seed), verbose_(verbose), coverage_(coverage), traffic_(random_) {
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
  broker_units_ = random_.chance(20) ? random_.below(40) : 4'096;
  protocol_ = static_cast<Protocol>(random_.below(3));
  is_audited_ = random_.chance(50);
  is_transactional_ = random_.chance(25);
  options_.max_run_bytes = random_.chance(20) ? random_.below(300) + 1 : SIZE_MAX;
  options_.linger_ms = random_.chance(15) ? random_.between(1, 60) : 0;
  options_.poison_after = random_.chance(25) ? static_cast<uint32_t>(random_.between(1, 3)) : 0;
  options_.poison_cool_down_ms = random_.between(1, 400);
  options_.poison_is_taken = random_.chance(50);
  options_.max_output_bytes = random_.chance(40) ? random_.below(300) + 1 : 1'000'000;
  const bool troubled = random_.chance(80);
  // Outputs that wait for a map to fit may not keep its gaps from being filled.
  if (metadata_units_ < 4'096 || broker_units_ < 4'096) options_.max_output_bytes = 1'000'000;
  habits_.retried = troubled ? static_cast<unsigned>(random_.below(30)) : 0;
  habits_.released = troubled ? static_cast<unsigned>(random_.below(10)) : 0;
  habits_.dropped = troubled ? 5 : 0;
  habits_.dead_lettered = random_.chance(40) ? static_cast<unsigned>(random_.below(15)) : 0;
  habits_.blocked = random_.chance(15) ? 2 : 0;
  habits_.handler_timeout_ms = random_.chance(30) ? random_.between(20, 300) : 0;
  habits_.stalls = random_.chance(40);
  habits_.out_of_order = random_.chance(50) ? 40 : 5;
  habits_.produces_for = random_.chance(30) ? random_.below(300) : SIZE_MAX;
  habits_.produced_at_once = random_.chance(30) ? 6 : 2;
  habits_.settled_at_once = random_.chance(30) ? 2 : 8;
  habits_.taken_at_once = random_.chance(30) ? 2 : 12;
  if (random_.chance(12)) fill_slabs();
  for (int64_t count = random_.between(1, 3); count > 0; --count) logs_.emplace_back(random_, coverage_);
  start_consumer();
}

World::~World() { stop_consumer(); }

// A history in which stalled messages pin slabs until the pool is at its limit and compaction moves them.
void World::fill_slabs() {
  options_.max_buffered_bytes = static_cast<size_t>(random_.between(3'000, 9'000));
  options_.max_buffered_messages = 60;
  options_.concurrency = 8;
  options_.max_window = 4'096;
  options_.linger_ms = 0;
  options_.poison_after = 0;
  options_.max_run_bytes = SIZE_MAX;
  is_transactional_ = false;
  metadata_units_ = broker_units_ = 4'096;
  slab_bytes_ = SlabPool(options_.max_buffered_bytes).slab_bytes();
  habits_ = {5, 2, 2, 0, 0, 0, 40, true, SIZE_MAX, 8, 12, 12};
  traffic_.fill_slabs();
}

void World::run(int steps, std::atomic<uint64_t>& begun) {
  begun_ = &begun;
  for (int i = 0; i < steps; ++i) {
    begin_step();
    step();
    check();
  }
  drain_everything();
}

void World::begin_step() {
  begun_->store(++steps_, std::memory_order_relaxed);
  coverage_.add_step();
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
  if (what < 880) return advance();
  if (what < 890) return deliver_letters(false);
  if (what < 925) return commit(false);
  if (what < 940) return answer_commits(false);
  if (what < 955) return settle_stale();
  if (what < 975) return rebalance(id);
  if (what < 980) return elsewhere(id);
  if (what < 985) return engines_[engine]->attached ? detach(engine) : attach(engine);
  if (what < 993) return change_log(id);
  if (what < 996) return forget_limit(id);
  if (what < 999) return crash();
  close();
}

void World::produce(PartitionId id) {
  if (steps_ > habits_.produces_for) return;
  for (size_t count = random_.below(habits_.produced_at_once) + 1; count > 0; --count) {
    logs_[id].append(random_, traffic_);
  }
}

void World::advance() {
  told_ms_ = now_ms_;
  const int64_t due_ms = dispatcher_->advance(now_ms_);
  int64_t expected = -1;
  for (auto& assignment : assigned_) {
    if (!assignment) continue;
    cover(Event::kTimerFired, assignment->model.advance(now_ms_));
    const int64_t next = assignment->model.next_due_ms();
    if (next >= 0 && (expected < 0 || next < expected)) expected = next;
  }
  // A timer may outlive its cause; then it is early.
  if (expected >= 0 && (due_ms < 0 || due_ms > expected)) {
    broken("P6", "the next timer is due at %lld, not %lld", number(expected), number(due_ms));
  }
  if (due_ms >= 0 && due_ms <= now_ms_) broken("P6", "a timer that was due at %lld has not fired", number(due_ms));
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
  breakers_.assign(logs_.size(), Breaker(options_, traffic_.keys()));
  told_ms_ = 0;
  stale_count_ = 0;
  last_epoch_ = 0;
  stopped_ = false;
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    if (random_.chance(70)) assign(id);
  }
}

void World::stop_consumer() {
  const DispatcherStats stats = dispatcher_->stats();
  cover(Event::kRewind, stats.rewinds);
  cover(Event::kSkippedAsSettled, stats.skipped_settled);
  cover(Event::kHole, stats.holes);
  cover(Event::kSlabCompaction, stats.compactions);
  if (!options_.poison_is_taken) cover(Event::kPoisonParked, stats.poisonings);
  sent_.clear();
  letters_.clear();
  outputs_.clear();
  kept_.clear();
  if (undecided_) cover(undecided_->is_committed ? Event::kTransactionFoundCommitted : Event::kTransactionFoundAborted);
  undecided_.reset();
  staging_.reset();
  intake_.reset();
  engines_.clear();
  zombies_.clear();
  dispatcher_.reset();
}

void World::crash() {
  trace("crash");
  cover(Event::kCrash);
  if (staging_) cover(Event::kCrashMidBatch);
  // What was sent may have arrived, the first before the others.
  while (!sent_.empty() && random_.chance(60)) {
    store(sent_.front(), false);
    sent_.pop_front();
  }
  stop_consumer();
  start_consumer();
}

// Stops taking, lets some of what is leased settle, commits, ends.
void World::close() {
  trace("close");
  cover(Event::kClose);
  dispatcher_->stop_taking();
  stopped_ = true;
  for (size_t engine = 0; engine < engines_.size(); ++engine) {
    if (take(engine, 10, 1'000) != 0) broken("P6", "take found something after the stop");
    if (random_.chance(70)) settle_all(engine);
  }
  check();
  commit(false);
  answer_commits(false);
  crash();
}

// --- The group -------------------------------------------------------------------------------------------------------

void World::rebalance(PartitionId id) {
  if (random_.chance(8)) {
    // The session ended, or the group has fenced the member.
    cover(Event::kAllLost);
    for (PartitionId each = 0; each < assigned_.size(); ++each) lose(each);
    return;
  }
  switch (protocol_) {
    case Protocol::kEager:
      return rebalance_eagerly();
    case Protocol::kCooperative:
      return rebalance_cooperatively();
    case Protocol::kConsumer:
      return reconcile(id);
  }
}

// One phase of it per step: everything drains; everything is given back; what is ours now is assigned.
void World::rebalance_eagerly() {
  bool any = false;
  bool draining = false;
  for (const auto& assignment : assigned_) {
    any |= assignment.has_value();
    draining |= assignment && assignment->draining;
  }
  if (!any) cover(Event::kEagerRebalance);
  for (PartitionId id = 0; id < assigned_.size(); ++id) {
    if (!any) {
      if (random_.chance(80)) assign(id);
    } else if (assigned_[id]) {
      draining ? release(id) : drain(id);
    }
  }
}

// What leaves drains, and is given back in a later step; what comes is assigned in one after that.
void World::rebalance_cooperatively() {
  bool draining = false;
  bool missing = false;
  for (const auto& assignment : assigned_) {
    draining |= assignment && assignment->draining;
    missing |= !assignment;
  }
  const bool assigns = !draining && missing && random_.chance(60);
  if (assigns) cover(Event::kCooperativeRebalance);
  for (PartitionId id = 0; id < assigned_.size(); ++id) {
    if (draining) {
      if (assigned_[id] && assigned_[id]->draining) release(id);
    } else if (assigns) {
      if (!assigned_[id] && random_.chance(70)) assign(id);
    } else if (assigned_[id] && random_.chance(50)) {
      drain(id);
    }
  }
}

void World::reconcile(PartitionId id) {
  cover(Event::kReconciliation);
  if (!assigned_[id]) return assign(id);
  if (assigned_[id]->draining) return release(id);
  const size_t what = random_.below(10);
  if (what < 5) return drain(id);
  if (what < 8) return lose(id);
  if (what < 9) {
    cover(Event::kReassigned);
    forget(id);
    return assign(id);
  }
}

void World::assign(PartitionId id) {
  const Log& log = logs_[id];
  std::optional<GapMap> map = read_committed(id);
  if (!map) {
    cover(Event::kAssignedFresh);
  } else {
    cover(map->empty() ? Event::kAssignedWithOffset : Event::kAssignedWithMap);
  }
  const uint64_t epoch = dispatcher_->assign(id, map);
  if (epoch <= last_epoch_) broken("P4", "epoch %lld is given again", number(epoch));
  last_epoch_ = epoch;
  positions_[id] = map ? std::max(map->base, log.start()) : log.start();
  assigned_[id].emplace(
      Assignment{epoch, {{options_, traffic_.keys(), told_ms_}, breakers_[id], std::move(map)}, log.generation()});
  trace("assign %u epoch %lld from %lld", id, number(epoch), number(positions_[id]));
}

// What a member learns of the group's commit: the offset always, the map if it is whole (P7).
std::optional<GapMap> World::read_committed(PartitionId id) {
  Log& log = logs_[id];
  if (log.committed() < 0) return std::nullopt;
  GapMap alone;
  alone.base = log.committed();
  if (log.metadata().empty()) return alone;
  // What is run again for such a reason has its outputs seen again: exactly once holds among whole members only.
  if (is_transactional_) {
    auto map = decode_gap_map(log.committed(), log.metadata());
    if (!map || *map != log.committed_map()) broken("P3", "a transaction's metadata does not say what was committed");
    return std::move(*map);
  }
  if (random_.chance(3)) {
    // Another consumer has committed the same offset without our metadata.
    cover(Event::kMapIgnored);
    return alone;
  }
  if (random_.chance(6)) {
    read_damaged(log);
    return alone;
  }
  auto decoded = decode_gap_map(log.committed(), log.metadata());
  if (!decoded) broken("P3", "committed metadata does not decode: %s", decoded.failure().message.c_str());
  if (*decoded != log.committed_map()) broken("P3", "metadata decodes to another map than was committed");
  log.check_commit(*decoded);
  return std::move(*decoded);
}

// P1, P7: what is not our own intact text for this offset is refused: a wrong map would skip messages.
void World::read_damaged(const Log& log) {
  std::string text = log.metadata();
  Offset base = log.committed();
  const char* code = "METADATA_CORRUPT";
  const size_t what = random_.below(5);
  if (what == 0) text.resize(random_.below(text.size() - 1) + 1);
  if (what == 1) text[random_.below(text.size() - 1) + 1] ^= static_cast<char>(1 << random_.below(8));
  if (what == 2) text += text.substr(1);
  if (what == 3) base += random_.chance(50) ? 1 : -1;
  if (what == 4) {
    text = "{\"host\":\"another client\"}";
    code = "METADATA_FOREIGN";
  }
  cover(what < 3 ? Event::kMapCorrupt : (what == 3 ? Event::kMapOfOtherOffset : Event::kMapForeign));
  const auto decoded = decode_gap_map(base, text);
  if (decoded) {
    // What changed may be the coder's estimate alone.
    if (base == log.committed() && *decoded == log.committed_map()) return;
    broken("P1", "a damaged gap map was read as one from %lld", number(decoded->base));
  }
  if (decoded.failure().code != code) broken("P7", "%s instead of %s", decoded.failure().code.c_str(), code);
}

void World::drain(PartitionId id) {
  trace("drain %u", id);
  dispatcher_->begin_drain(id);
  assigned_[id]->draining = true;
}

// Revoked: committed, then given up, even with leases out (their time is over).
void World::release(PartitionId id) {
  trace("release %u", id);
  cover(Event::kReleased);
  const bool drained = assigned_[id]->model.in_flight() == 0;
  if (is_audited_ && dispatcher_->drained(id) != drained)
    broken("P6", "partition %u: drained() is not %d", id, drained);
  if (!drained) cover(Event::kReleasedInFlight);
  if (auto snapshot = dispatcher_->collect(id)) {
    if (is_audited_) assigned_[id]->model.check(snapshot->map);
    if (is_transactional_) {
      std::vector<CommitSnapshot> snapshots;
      snapshots.push_back(std::move(*snapshot));
      commit_transaction(std::move(snapshots), false);
    } else {
      send(*snapshot);
    }
  }
  if (undecided_) decide();
  answer_commits(false);
  dispatcher_->release(id);
  forget(id);
}

void World::lose(PartitionId id) {
  if (!assigned_[id]) return;
  trace("lose %u", id);
  cover(Event::kLost);
  dispatcher_->release(id);
  forget(id);
}

// Whatever comes for this epoch from now on is too late.
void World::forget(PartitionId id) {
  assigned_[id].reset();
  forget_outputs(id);
}

// While we do not have it, another member goes on from the group's commit, or an operator sets the group back.
void World::elsewhere(PartitionId id) {
  if (assigned_[id]) return;
  Log& log = logs_[id];
  if (!is_transactional_ && log.committed() > log.start() && random_.chance(20)) {
    cover(Event::kGroupReset);
    log.commit(random_.between(log.start(), log.committed() - 1), {}, {});
    return;
  }
  // What does not fit into its metadata or our window is run again, with cause.
  if (log.size() == 0 || (is_transactional_ && (broker_units_ < 4'096 || options_.max_window < 4'096))) return;
  cover(Event::kProgressElsewhere);
  trace("another member has %u", id);
  const GapMap map = log.progress_elsewhere(random_, is_transactional_, options_.max_window);
  log.check_commit(map);
  EncodedMetadata encoded = encode_gap_map(map, carrier_, broker_units_);
  log.commit(map.base, std::move(encoded.text), head_of(map, encoded.covered));
}

// --- The log ---------------------------------------------------------------------------------------------------------

void World::change_log(PartitionId id) {
  Log& log = logs_[id];
  const size_t what = random_.below(4);
  if (what < 2) return truncate(id);
  if (what == 2) {
    cover(Event::kCompaction);
    return log.compact(random_);
  }
  if (log.size() == 0) return;
  const Offset from = log.next(log.start())->offset + random_.between(0, 20);
  if (from > log.end()) return;
  trace("the log of %u starts at %lld", id, number(from));
  cover(Event::kRetention);
  log.retain_from(from);
  // Whoever is below is moved up.
  if (assigned_[id]) positions_[id] = std::max(positions_[id], from);
}

void World::truncate(PartitionId id) {
  Log& log = logs_[id];
  // A truncation takes the group's commit with it, and what was committed is run again.
  if (log.end() - log.start() < 2 || is_transactional_) return;
  const Offset deepest = random_.chance(30) ? 200 : 6;
  const Offset to = log.end() - random_.between(1, std::min<Offset>(log.end() - log.start(), deepest));
  // A gap map that was recovered before the truncation names offsets that other messages have now. Only leader epochs
  // could tell (docs/decisions/0002); the simulated cluster does not lose what recovered metadata names.
  if (assigned_[id] && assigned_[id]->model.recovered_highest() >= to) return;
  trace("truncate %u to %lld", id, number(to));
  cover(Event::kTruncation);
  const bool had_noticed = assigned_[id] && assigned_[id]->generation == log.generation();
  log.truncate(to);
  log.append(random_, traffic_);
  if (random_.chance(20)) log.skip(random_.between(1, 100), Event::kTailMarker);
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
  assignment.window_refused = false;
  staging_ = Staging{id, assignment.epoch, 0, room, -1, {}};
  return true;
}

// P6: a partition is refused only for a reason that is still true.
void World::check_refusal(PartitionId id) {
  const Assignment& assignment = *assigned_[id];
  if (assignment.window_refused) cover(Event::kRefusedForWindow);
  if (assignment.draining || assignment.window_refused || stopped_) return;
  cover(Event::kRefusedForBudget);
  size_t messages = 0;
  size_t bytes = 0;
  size_t partitions = 0;
  for (const auto& each : assigned_) {
    if (!each) continue;
    ++partitions;
    messages += each->model.messages();
    bytes += each->model.bytes();
  }
  const auto is_full = [&](size_t own, size_t all, size_t limit) {
    const auto share = static_cast<double>(std::max<size_t>(limit / partitions, 1));
    return static_cast<double>(own) > share * kResumeAt ||
           static_cast<double>(all) > static_cast<double>(limit) - share * (1 - kResumeAt);
  };
  if (is_full(assignment.model.messages(), messages, options_.max_buffered_messages)) return;
  if (is_full(assignment.model.bytes(), bytes, options_.max_buffered_bytes)) return;
  broken("P6", "partition %u is refused with %zu messages of %zu and %zu bytes of %zu buffered", id,
         assignment.model.messages(), messages, assignment.model.bytes(), bytes);
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
  for (const Record& record : staging.records) {
    const size_t size = traffic_.size_of(record);
    if (slab_footprint(size) > slab_bytes_ / 4) cover(Event::kLoneMessage);
    assignment.model.publish(record, size);
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

// --- Engines ---------------------------------------------------------------------------------------------------------

void World::attach(size_t number) {
  Engine* engine = engines_[number].get();
  dispatcher_->attach(engine->taker, [this, engine] {
    engine->rung = true;
    cover(Event::kDoorbell);
  });
  engine->attached = true;
  engine->idle = false;
}

// The engine dies: its leases go back, and what it still does is a zombie's doing.
void World::detach(size_t number) {
  trace("detach %zu", number);
  cover(Event::kEngineDied);
  Engine& engine = *engines_[number];
  dispatcher_->detach(engine.taker, now_ms_);
  told_ms_ = now_ms_;
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
  if (output_bytes_ >= options_.max_output_bytes)
    broken("P5", "messages start with %zu bytes of outputs", output_bytes_);
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
    engines_[engine]->held.push_back({batch.lease(i), batch.slot(i), id, batch.offset(i), now_ms_, poisoned});
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
  for (size_t count = random_.below(habits_.settled_at_once); count > 0 && !engine.held.empty(); --count) {
    // Mostly in order; sometimes out of order within a run, as a batch handler does.
    const size_t index = random_.chance(habits_.out_of_order) ? random_.below(engine.held.size()) : 0;
    const Held held = engine.held[index];
    engine.held.erase(engine.held.begin() + static_cast<std::ptrdiff_t>(index));
    const size_t what = random_.below(100);
    if (is_transactional_ && random_.chance(80)) hold_output(held, random_.below(40) + 1);
    if (is_transactional_ && random_.chance(5)) discard_output(held);
    if (held.poisoned || random_.chance(habits_.dead_lettered)) {
      settle_planned();
      withhold(held);
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

// --- Dead letters and outputs ----------------------------------------------------------------------------------------

// The message failed for good. With transactions its letter is an output; otherwise the writer has it from here on.
void World::withhold(const Held& held) {
  Assignment* assignment = assigned_[held.partition] ? &*assigned_[held.partition] : nullptr;
  Pending* message = assignment == nullptr ? nullptr : assignment->model.leased(held.offset, held.lease);
  told_ms_ = now_ms_;
  if (dispatcher_->withhold(held.lease, held.slot, now_ms_) != (message != nullptr)) {
    broken("P4", "offset %lld is %swithheld", number(held.offset), message == nullptr ? "" : "not ");
  }
  if (message == nullptr) {
    ++stale_count_;
    return cover(Event::kZombieSettlement);
  }
  cover(Event::kWithheld);
  outputs_.erase(held.lease);
  if (Record* record = logs_[held.partition].find(message->record)) record->awaits_letter = true;
  assignment->model.withhold(*message);
  if (!is_transactional_) {
    letters_.push_back({held, now_ms_});
    return;
  }
  if (read_letter(held)) hold_output(held, 30);
  settle_withheld(held, Outcome::kDeadLettered);
}

// P8: the bytes of a withheld message stay readable and its own for as long as its lease is valid.
bool World::read_letter(const Held& held) {
  const auto& assignment = assigned_[held.partition];
  const Pending* message =
      assignment ? assigned_[held.partition]->model.leased(held.offset, held.lease, true) : nullptr;
  const bool is_read = dispatcher_->read_withheld(held.lease, held.slot, [&](const MessageView& view) {
    if (message == nullptr) broken("P4", "offset %lld is read for a dead letter of a lost lease", number(view.offset));
    const Record& record = message->record;
    const auto text = [](std::span<const std::byte> bytes) {
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    const std::string_view expected = traffic_.write(record);
    const size_t value_size = Traffic::value_size(record);
    const bool right = view.offset == record.offset && view.key.has_value() == (record.key != kNullKey) &&
                       (!view.key || text(*view.key) == traffic_.key_of(record)) &&
                       view.value.has_value() == (record.value_size >= 0) &&
                       (!view.value || text(*view.value) == expected.substr(0, value_size)) &&
                       text(view.headers) == expected.substr(value_size);
    if (!right) broken("payload", "the dead letter of offset %lld has other bytes", number(record.offset));
  });
  if (!is_read) ++stale_count_;
  if (!is_read && message != nullptr) broken("P8", "the dead letter of offset %lld is lost", number(held.offset));
  return is_read;
}

void World::settle_withheld(const Held& held, Outcome outcome) {
  told_ms_ = now_ms_;
  dispatcher_->settle_withheld({held.lease, held.slot, 0, outcome}, now_ms_);
  Assignment* assignment = assigned_[held.partition] ? &*assigned_[held.partition] : nullptr;
  Pending* message = assignment == nullptr ? nullptr : assignment->model.leased(held.offset, held.lease, true);
  if (message == nullptr) {
    ++stale_count_;
    return cover(Event::kZombieSettlement);
  }
  if (outcome == Outcome::kDeadLettered) return settled(*assignment, held, *message, outcome);
  if (Record* record = logs_[held.partition].find(message->record)) record->awaits_letter = false;
  assignment->model.return_withheld(*message);
}

// The dead-letter topic: it takes letters, refuses them for a while, or is never heard of again. A letter whose answer
// was lost is sent again.
void World::deliver_letters(bool healthy) {
  std::vector<Letter> letters;
  letters.swap(letters_);
  for (Letter& letter : letters) {
    if (!healthy && (letter.due_ms > now_ms_ || random_.chance(15))) {
      letters_.push_back(letter);
      continue;
    }
    if (letter.is_acknowledged) {
      settle_withheld(letter.held, Outcome::kDeadLettered);
      continue;
    }
    if (!read_letter(letter.held)) {
      cover(Event::kLetterOfLostLease);
      continue;
    }
    const size_t what = healthy ? 99 : random_.below(100);
    if (what < 25) {
      cover(Event::kLetterFailed);
      letter.due_ms = now_ms_ + random_.between(1, 200);
      letters_.push_back(letter);
    } else if (what < 30) {
      cover(Event::kLetterReturned);
      settle_withheld(letter.held, Outcome::kReleased);
    } else if (what < 40) {
      cover(Event::kLetterAnswerLost);
      letters_.push_back(letter);
    } else if (what < 55) {
      cover(Event::kLetterAcknowledged);
      letter.is_acknowledged = true;
      letters_.push_back(letter);
    } else {
      cover(Event::kLetterAcknowledged);
      settle_withheld(letter.held, Outcome::kDeadLettered);
    }
  }
}

bool World::has_output(const Held& held) const { return outputs_.contains(held.lease); }

// One per message: an attempt produces once.
void World::hold_output(const Held& held, size_t size) {
  if (has_output(held)) return;
  const auto& assignment = assigned_[held.partition];
  Pending* message = assignment ? assigned_[held.partition]->model.leased(held.offset, held.lease) : nullptr;
  if (message == nullptr && assignment) {
    message = assigned_[held.partition]->model.leased(held.offset, held.lease, true);
  }
  const Record record = message == nullptr ? Record{} : message->record;
  const bool is_held =
      dispatcher_->hold_output(held.lease, held.slot, std::make_unique<SentOutput>(*this, record, size));
  if (is_held != (message != nullptr)) broken("P4", "an output of offset %lld", number(held.offset));
  if (!is_held) {
    ++stale_count_;
    return cover(Event::kOutputOfLostLease);
  }
  cover(Event::kOutputHeld);
  outputs_.insert(held.lease);
}

void World::discard_output(const Held& held) {
  dispatcher_->discard_outputs(held.lease);
  outputs_.erase(held.lease);
}

// --- Commits ---------------------------------------------------------------------------------------------------------

void World::commit(bool healthy) {
  std::vector<CommitSnapshot> snapshots = dispatcher_->changed();
  for (const CommitSnapshot& snapshot : snapshots) {
    if (!assigned_[snapshot.partition] || snapshot.epoch != assigned_[snapshot.partition]->epoch) {
      broken("P4", "a snapshot of an epoch that has ended");
    }
    if (is_audited_) assigned_[snapshot.partition]->model.check(snapshot.map);
  }
  if (is_audited_ && random_.chance(20)) check_standing();
  if (is_transactional_) return commit_transaction(std::move(snapshots), healthy);
  for (const CommitSnapshot& snapshot : snapshots) send(snapshot);
  if (healthy || random_.chance(60)) return answer_commits(healthy);
  if (!sent_.empty()) cover(Event::kAnsweredLate);
}

// Exactly once: one transaction carries offsets and gap maps of some partitions, and the outputs of their settled
// messages. A partition whose map does not fit stays out, with its outputs: what a cut map does not say would be run
// again, and its outputs would be seen again.
void World::commit_transaction(std::vector<CommitSnapshot> snapshots, bool healthy) {
  if (undecided_) decide();
  for (CommitSnapshot& snapshot : snapshots) {
    for (auto& output : snapshot.outputs) kept_.push_back({snapshot.partition, snapshot.epoch, std::move(output)});
    send(snapshot);
    if (sent_.back().encoded.covered == sent_.back().map.length) continue;
    cover(Event::kHeldBack);
    sent_.pop_back();
    dispatcher_->mark_changed(snapshot.partition, snapshot.epoch);
  }
  if (sent_.empty()) return;
  std::vector<SentCommit> commits(std::make_move_iterator(sent_.begin()), std::make_move_iterator(sent_.end()));
  sent_.clear();
  std::vector<Kept> outputs;
  for (Kept& kept : kept_) {
    const bool is_in = std::any_of(commits.begin(), commits.end(),
                                   [&](const SentCommit& commit) { return commit.partition == kept.partition; });
    if (is_in) outputs.push_back(std::move(kept));
  }
  std::erase_if(kept_, [](const Kept& kept) { return kept.output == nullptr; });

  const size_t what = healthy ? 99 : random_.below(100);
  const bool is_committed = what >= 15 && (what >= 35 || random_.chance(50)) && apply_transaction(commits, outputs);
  undecided_.emplace(Undecided{std::move(commits), std::move(outputs), is_committed});
  if (what < 35 && what >= 15) {
    cover(Event::kTransactionUndecided);
  } else {
    decide();
  }
}

// The broker's side: all of it or nothing.
bool World::apply_transaction(std::vector<SentCommit>& commits, const std::vector<Kept>& outputs) {
  for (const SentCommit& commit : commits) {
    if (commit.encoded.units <= broker_units_) continue;
    cover(Event::kMapRefused);
    metadata_units_ = std::min(metadata_units_, commit.encoded.units) / 2;
    return false;
  }
  for (SentCommit& commit : commits) {
    Log& log = logs_[commit.partition];
    trace("transaction: %u at %lld, %lld of %lld settled above", commit.partition, number(commit.map.base),
          number(commit.encoded.covered), number(commit.map.length));
    log.check_commit(commit.map);
    log.commit(commit.map.base, commit.encoded.text, head_of(commit.map, commit.encoded.covered));
    cover(Event::kCommitted);
  }
  for (const Kept& kept : outputs) {
    trace("output of %u at %lld", kept.partition, number(kept.record().offset));
    Record* record = logs_[kept.partition].find(kept.record());
    if (record != nullptr && ++record->outputs > 1) {
      broken("outputs", "an output of offset %lld is seen again", number(record->offset));
    }
  }
  return true;
}

// The consumer hears what became of the transaction.
void World::decide() {
  Undecided transaction = std::move(*undecided_);
  undecided_.reset();
  if (transaction.is_committed) {
    cover(Event::kTransaction);
    return release_outputs(std::move(transaction.outputs));
  }
  trace("transaction aborted");
  cover(Event::kTransactionAborted);
  for (const SentCommit& commit : transaction.commits) dispatcher_->mark_changed(commit.partition, commit.epoch);
  std::vector<Kept> lost;
  for (Kept& kept : transaction.outputs) {
    const auto& assignment = assigned_[kept.partition];
    const bool is_current = assignment && assignment->epoch == kept.epoch;
    (is_current ? kept_ : lost).push_back(std::move(kept));
  }
  release_outputs(std::move(lost));
}

void World::forget_outputs(PartitionId id) {
  std::vector<Kept> gone;
  for (Kept& kept : kept_) {
    if (kept.partition == id) gone.push_back(std::move(kept));
  }
  std::erase_if(kept_, [](const Kept& kept) { return kept.output == nullptr; });
  release_outputs(std::move(gone));
}

void World::release_outputs(std::vector<Kept> outputs) {
  size_t bytes = 0;
  for (const Kept& kept : outputs) bytes += kept.output->size();
  if (bytes != 0) dispatcher_->forget_outputs(bytes);
}

void World::send(const CommitSnapshot& snapshot) {
  const PartitionId id = snapshot.partition;
  Assignment& assignment = *assigned_[id];
  EncodedMetadata encoded = encode_gap_map(snapshot.map, carrier_, metadata_units_);
  if (encoded.units > metadata_units_) broken("P5", "metadata of %zu units", encoded.units);
  const auto units = static_cast<double>(encoded.units);
  const auto limit = static_cast<double>(metadata_units_);
  const bool is_cut = encoded.covered < snapshot.map.length;
  if (is_cut || units > limit * kNearLimit) assignment.full = true;
  if (snapshot.map.empty() || (!is_cut && units < limit * kHasRoom)) assignment.full = false;
  if (is_cut) cover(Event::kMapCut);
  if (assignment.full) cover(Event::kMapFull);
  dispatcher_->set_metadata_full(id, assignment.full);
  sent_.push_back({id, snapshot.epoch, assignment.generation, snapshot.map, std::move(encoded)});
}

// The broker comes to what was sent, in order, and the consumer hears of it.
void World::answer_commits(bool healthy) {
  for (; !sent_.empty(); sent_.pop_front()) {
    SentCommit& commit = sent_.front();
    const auto& assignment = assigned_[commit.partition];
    const bool fenced = !assignment || assignment->epoch != commit.epoch;
    if (fenced) cover(Event::kCommitFenced);
    if (fenced || !store(commit, healthy)) dispatcher_->mark_changed(commit.partition, commit.epoch);
  }
}

// What the broker makes of a commit of a current member; false when the consumer hears of a failure (the commit may
// have happened).
bool World::store(SentCommit& commit, bool healthy) {
  const PartitionId id = commit.partition;
  if (!healthy && random_.chance(10)) {
    cover(Event::kCommitFailed);
    return false;
  }
  if (commit.encoded.units > broker_units_) {
    cover(Event::kMapRefused);
    metadata_units_ = std::min(metadata_units_, commit.encoded.units) / 2;
    return false;
  }
  Log& log = logs_[id];
  // A consumer that has not noticed a truncation yet: as in truncate(), not this simulation's case.
  if (commit.generation != log.generation()) return true;
  trace("commit %u at %lld, %zu units", id, number(commit.map.base), commit.encoded.units);
  cover(Event::kCommitted);
  if (!commit.encoded.text.empty()) cover(Event::kCommittedMap);
  log.check_commit(commit.map);
  log.commit(commit.map.base, std::move(commit.encoded.text), head_of(commit.map, commit.encoded.covered));
  if (healthy || random_.chance(90)) return true;
  cover(Event::kCommitAnswerLost);
  return false;
}

// As if a refused commit had taught another limit: the partition is committed again.
void World::forget_limit(PartitionId id) {
  if (!assigned_[id]) return;
  assigned_[id]->full = random_.chance(50);
  dispatcher_->set_metadata_full(id, assigned_[id]->full);
  dispatcher_->mark_changed(id, assigned_[id]->epoch);
}

// --- The end ---------------------------------------------------------------------------------------------------------

// With everything healthy, all that was ever produced must be settled within a bounded number of rounds.
void World::drain_everything() {
  trace("drain everything");
  if (staging_) publish();
  size_t left = 20;
  for (const Log& log : logs_) left += 3 * log.size();
  while (!drain_round()) {
    check();
    if (left-- == 0) broken("P6", "not drained; every round could have settled a message of every partition");
  }
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    logs_[id].check_nothing_lost();
    dispatcher_->reach_end(id, assigned_[id]->epoch, logs_[id].end());
    assigned_[id]->model.reach_end(logs_[id].end());
    // A truncation that nothing has shown yet, because nothing came after it: as in store().
    if (assigned_[id]->generation != logs_[id].generation()) continue;
    if (assigned_[id]->model.base() != logs_[id].end()) broken("P1", "partition %u ends below the log's end", id);
  }
  // A refusal may teach a limit a few times.
  for (int i = 0; i < 14; ++i) commit(true);
  check();
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    check_final_commit(id);
    if (is_transactional_) logs_[id].check_outputs();
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

bool World::drain_round() {
  begin_step();
  now_ms_ += 1'000;
  told_ms_ = now_ms_;
  dispatcher_->advance(now_ms_);
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    // Only another assignment opens a blocked lane.
    if (assigned_[id] && (assigned_[id]->draining || assigned_[id]->model.blocked_lanes() != 0)) release(id);
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
  deliver_letters(true);
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
    executing += assignment->model.executing_lanes();
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
  equal("P6", "P5", "lanes with a timer", stats.waiting_lanes, closed);
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
  if (executing == options_.concurrency) return;
  if (dispatcher_->outputs_full()) return cover(Event::kOutputsFull);
  for (PartitionId id = 0; id < assigned_.size(); ++id) {
    if (!assigned_[id] || assigned_[id]->draining) continue;
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
