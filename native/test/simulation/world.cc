// See world.h. Here: how a history is drawn, its steps, the consumer's life, the log and the end.
#include "test/simulation/world.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "test/simulation/promise.h"

namespace laneway::simulation {

World::World(uint64_t seed, bool verbose, Coverage& coverage)
    : random_(seed), verbose_(verbose), coverage_(coverage), traffic_(random_) {
  options_.order = random_.chance(60) ? Order::kKey : (random_.chance(50) ? Order::kPartition : Order::kNone);
  options_.concurrency = static_cast<uint32_t>(random_.between(1, 8));
  options_.max_buffered_messages = static_cast<size_t>(random_.between(1, 60));
  options_.max_buffered_bytes = static_cast<size_t>(random_.chance(50) ? random_.between(1, 8'000) : 100'000);
  options_.good_batch_messages = static_cast<size_t>(random_.between(1, 60));
  options_.good_batch_bytes = static_cast<size_t>(random_.between(1, 8'000));
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
  options_.whole_runs = random_.chance(20);
  options_.linger_ms = random_.chance(15) ? random_.between(1, 60) : 0;
  options_.poison_after =
      options_.order == Order::kKey && random_.chance(40) ? static_cast<uint32_t>(random_.between(1, 3)) : 0;
  options_.poison_cool_down_ms = random_.between(1, 400);
  options_.poison_is_taken = random_.chance(50);
  options_.max_output_bytes = random_.chance(40) ? random_.below(300) + 1 : 1'000'000;
  const bool troubled = random_.chance(80);
  habits_.retried = troubled ? static_cast<unsigned>(random_.below(30)) : 0;
  habits_.released = troubled ? static_cast<unsigned>(random_.below(10)) : 0;
  habits_.dropped = troubled ? 5 : 0;
  // Else few keys would fail often enough in a row.
  if (options_.poison_after != 0) habits_.retried += 30;
  habits_.dead_lettered = random_.chance(40) ? static_cast<unsigned>(random_.below(30)) : 0;
  habits_.blocked = random_.chance(15) ? 2 : 0;
  habits_.handler_timeout_ms = random_.chance(30) ? random_.between(20, 300) : 0;
  habits_.stalls = random_.chance(40);
  habits_.out_of_order = random_.chance(50) ? 40 : 5;
  habits_.sequential = random_.chance(40) ? (random_.chance(50) ? 97 : 50) : 0;
  habits_.waits = random_.chance(50) ? static_cast<unsigned>(random_.below(30)) : 0;
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
  habits_ = {5, 2, 2, 0, 0, 0, 40, habits_.sequential, habits_.waits, true, SIZE_MAX, 8, 12, 12};
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
  if (what < 985) return end(engine);
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

// --- The consumer's life --------------------------------------------------------------------------------------------

void World::start_consumer() {
  dispatcher_ = std::make_unique<Dispatcher>(options_);
  intake_ = std::make_unique<Intake>(*dispatcher_);
  const bool is_alone = random_.chance(habits_.sequential != 0 ? 80 : 33);
  const size_t count = is_alone ? 1 : static_cast<size_t>(random_.between(2, 3));
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

// --- The log --------------------------------------------------------------------------------------------------------

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

// --- The end --------------------------------------------------------------------------------------------------------

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
    if (engines_[engine]->lost) abandon(engine);
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
