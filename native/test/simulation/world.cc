// See world.h.
#include "test/simulation/world.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace laneway::simulation {

namespace {

constexpr size_t kDrainRounds = 20'000;

template <typename T>
T read(const std::vector<std::byte>& from, size_t position) {
  T value;
  std::memcpy(&value, from.data() + position, sizeof value);
  return value;
}

void require_settled(const Log& log) {
  for (const Record& record : log.records) {
    require(record.ever_settled, "P1",
            "offset " + std::to_string(record.offset) + " was lost; committed " + std::to_string(log.committed));
  }
}

IncomingMessage to_message(const Record& record) {
  static const char kEmpty = 0;
  const bool keyed = record.key.has_value();
  return {.offset = record.offset,
          .timestamp_ms = record.offset * 10,
          .key = keyed ? (record.key->empty() ? &kEmpty : record.key->data()) : nullptr,
          .value = record.value.empty() ? nullptr : record.value.data(),
          .key_size = static_cast<uint32_t>(keyed ? record.key->size() : 0),
          .value_size = static_cast<uint32_t>(record.value.size()),
          .headers = {}};
}

}  // namespace

World::World(uint64_t seed, bool verbose) : random_(seed), verbose_(verbose) {
  options_.order = static_cast<Order>(random_.below(3));
  options_.concurrency = static_cast<uint32_t>(random_.between(1, 8));
  options_.max_buffered_messages = static_cast<size_t>(random_.between(1, 60));
  options_.max_buffered_bytes = static_cast<size_t>(random_.chance(50) ? random_.between(1, 600) : 100'000);
  options_.max_run_length = static_cast<uint32_t>(random_.between(1, 5));
  options_.max_window = random_.chance(30) ? 64 : 4'096;
  options_.seed = random_.next();
  carrier_ = random_.chance(50) ? Carrier::kBase32768 : Carrier::kBase64;
  metadata_units_ = random_.chance(30) ? random_.below(24) : 4'096;
  const int64_t key_count = random_.between(1, 12);
  for (int64_t i = 0; i < key_count; ++i) keys_.push_back(std::string(static_cast<size_t>(i), 'x'));
  if (random_.chance(30)) keys_.push_back(std::nullopt);
  logs_.resize(static_cast<size_t>(random_.between(1, 3)));
  for (Log& log : logs_) log.start = log.end = random_.chance(50) ? 0 : random_.between(1, 1'000'000'000'000);
  start_consumer();
}

World::~World() {
  intake_.reset();
  engines_.clear();
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
  Engine& engine = *engines_[random_.below(engines_.size())];
  const size_t what = random_.below(100);
  if (what < 22) return produce(id);
  if (what < 42) return fetch(id);
  if (what < 62) return take(engine);
  if (what < 84) return settle_some(engine, false);
  if (what < 88) return commit(false);
  if (what < 91) {
    dispatcher_->advance(now_ms_);
    return;
  }
  if (what < 93) return settle_stale();
  if (what < 96) return assigned_[id] ? (random_.chance(50) ? drain(id) : release(id, random_.chance(50))) : assign(id);
  if (what < 97) return detach(engine);
  if (what < 98) return truncate(id);
  if (what < 99) dispatcher_->set_metadata_full(id, random_.chance(50));
  if (what == 99 && random_.chance(50)) crash();
}

void World::start_consumer() {
  dispatcher_ = std::make_unique<Dispatcher>(options_);
  intake_ = std::make_unique<Intake>(*dispatcher_);
  const size_t count = static_cast<size_t>(random_.between(1, 3));
  for (size_t i = 0; i < count; ++i) {
    engines_.push_back(std::make_unique<Engine>());
    dispatcher_->attach(engines_.back()->taker, [] {});
  }
  assigned_.assign(logs_.size(), std::nullopt);
  positions_.assign(logs_.size(), 0);
  stale_count_ = 0;
}

void World::crash() {
  trace("crash");
  intake_.reset();
  engines_.clear();
  stale_.clear();
  dispatcher_.reset();
  start_consumer();
}

void World::produce(PartitionId id) {
  for (size_t count = random_.below(8); count > 0; --count) logs_[id].append(random_, keys_);
}

void World::truncate(PartitionId id) {
  Log& log = logs_[id];
  if (log.end - log.start < 2 || !random_.chance(30)) return;
  const Offset to = log.end - random_.between(1, std::min<Offset>(log.end - log.start, 6));
  // A gap map that was recovered before the truncation names offsets that other messages have now. Only leader epochs
  // could tell (docs/decisions/0002); the simulated cluster does not lose what committed metadata names.
  if (assigned_[id] && assigned_[id]->model.recovered_highest() >= to) return;
  trace("truncate " + std::to_string(id) + " to " + std::to_string(to));
  log.truncate(to);
  // The client notices by its own means and goes back; new messages take the place of the lost ones.
  for (size_t count = random_.below(6) + 1; count > 0; --count) log.append(random_, keys_);
  positions_[id] = std::min(positions_[id], to);
  log.committed = std::min(log.committed, to);
  log.metadata.clear();
}

void World::assign(PartitionId id) {
  const Log& log = logs_[id];
  std::optional<GapMap> map;
  if (log.committed >= 0) {
    map.emplace();
    map->base = log.committed;
    if (!log.metadata.empty()) {
      auto decoded = decode_gap_map(log.committed, log.metadata);
      require(static_cast<bool>(decoded), "P3", "committed metadata does not decode");
      map = *decoded;
    }
  }
  const uint64_t epoch = dispatcher_->assign(id, map);
  if (map) map = map->prefix(options_.max_window);
  positions_[id] = map ? map->base : log.start;
  assigned_[id].emplace(Assignment{epoch, AssignmentModel(options_.order, map, options_.max_window)});
  trace("assign " + std::to_string(id) + " from " + std::to_string(positions_[id]));
}

void World::drain(PartitionId id) {
  dispatcher_->begin_drain(id);
  assigned_[id]->draining = true;
}

void World::release(PartitionId id, bool lost) {
  trace(std::string(lost ? "lose " : "release ") + std::to_string(id));
  if (!lost) {
    if (const auto snapshot = dispatcher_->snapshot(id)) store(*snapshot, false);
  }
  dispatcher_->release(id);
  assigned_[id].reset();
  for (const auto& engine : engines_) {
    const auto gone = std::stable_partition(engine->held.begin(), engine->held.end(),
                                            [&](const Held& held) { return held.partition != id; });
    stale_.insert(stale_.end(), gone, engine->held.end());
    engine->held.erase(gone, engine->held.end());
  }
}

void World::fetch(PartitionId id) {
  if (!assigned_[id]) return;
  Assignment& assignment = *assigned_[id];
  Log& log = logs_[id];
  size_t room = intake_->open(id, assignment.epoch);
  if (assignment.draining) require(room == 0, "P4", "a draining partition takes messages");
  if (room == 0) return;
  room = std::min(room, random_.below(12) + 1);
  std::vector<const Record*> added;
  for (; room > 0; --room) {
    const Record* record = log.next(positions_[id]);
    if (record == nullptr || !intake_->add(to_message(*record))) break;
    positions_[id] = record->offset + 1;
    added.push_back(record);
  }
  require(intake_->publish(), "P1", "a message did not fit into the window");
  for (const Record* record : added) assignment.model.publish(*record);
  // A truncation has fenced what was in flight above it.
  for (const auto& engine : engines_) {
    const auto gone = std::stable_partition(engine->held.begin(), engine->held.end(), [&](const Held& held) {
      return held.partition != id || assignment.model.has_in_flight(held.offset);
    });
    stale_.insert(stale_.end(), gone, engine->held.end());
    engine->held.erase(gone, engine->held.end());
  }
  if (log.next(positions_[id]) == nullptr && log.end >= positions_[id] && random_.chance(50)) {
    dispatcher_->reach_end(id, assignment.epoch, log.end);
    assignment.model.reach_end(log.end);
    positions_[id] = log.end;
  }
}

void World::take(Engine& engine) {
  const size_t count =
      dispatcher_->take(engine.taker, random_.below(12) + 1, random_.chance(50) ? random_.below(200) : 1'000'000);
  if (count == 0) return;
  std::vector<std::byte> batch(engine.taker.batch_bytes());
  engine.taker.write(batch.data());
  dispatcher_->end_copy();

  const BatchLayout at{read<uint32_t>(batch, 0), read<uint32_t>(batch, 4)};
  require(at.messages == count, "layout", "message count");
  const auto first_lease = static_cast<uint64_t>(read<double>(batch, 8));
  std::vector<Held> taken;
  for (size_t run = 0; run < at.runs; ++run) {
    const auto id = read<uint32_t>(batch, at.run_partitions() + 4 * run);
    const auto first = read<uint32_t>(batch, at.run_starts() + 4 * run);
    const auto last = read<uint32_t>(batch, at.run_starts() + 4 * run + 4);
    require(assigned_[id] && !assigned_[id]->draining, "P4", "a message of a partition that is not active was started");
    require(last - first <= options_.max_run_length, "P5", "a run is too long");
    std::vector<Offset> offsets;
    for (uint32_t i = first; i < last; ++i) {
      offsets.push_back(static_cast<Offset>(read<double>(batch, at.offsets() + 8 * i)));
      taken.push_back(
          {first_lease + i, read<uint32_t>(batch, at.slots() + 4 * i), id, assigned_[id]->epoch, offsets.back()});
    }
    trace("start " + std::to_string(id) + " from " + std::to_string(offsets.front()) + " x " +
          std::to_string(offsets.size()));
    assigned_[id]->model.start(offsets, now_ms_);
  }
  check_payload(batch, taken);
  engine.held.insert(engine.held.end(), taken.begin(), taken.end());
}

void World::check_payload(const std::vector<std::byte>& batch, const std::vector<Held>& taken) {
  const BatchLayout at{read<uint32_t>(batch, 0), read<uint32_t>(batch, 4)};
  for (size_t i = 0; i < taken.size(); ++i) {
    const Record* record = logs_[taken[i].partition].at(taken[i].offset);
    // A truncation that the client has not noticed yet: the record is gone or another.
    if (record == nullptr || positions_[taken[i].partition] <= taken[i].offset) continue;
    const auto position = read<uint32_t>(batch, at.data() + 4 * i);
    const auto key_size = read<int32_t>(batch, at.key_sizes() + 4 * i);
    const auto value_size = read<int32_t>(batch, at.value_sizes() + 4 * i);
    require(key_size == (record->key ? static_cast<int32_t>(record->key->size()) : -1), "payload", "key size");
    require(value_size == (record->value.empty() ? -1 : static_cast<int32_t>(record->value.size())), "payload",
            "value size");
    const std::string expected = record->key.value_or("") + record->value;
    require(std::memcmp(batch.data() + position, expected.data(), expected.size()) == 0, "payload",
            "bytes of offset " + std::to_string(taken[i].offset));
  }
}

void World::settle_some(Engine& engine, bool healthy) {
  for (size_t count = healthy ? engine.held.size() : random_.below(6); count > 0 && !engine.held.empty(); --count) {
    // Mostly in order; sometimes out of order within a run, as a batch handler does.
    const size_t index = random_.chance(80) ? 0 : random_.below(engine.held.size());
    const size_t what = healthy ? 100 : random_.below(100);
    if (what < 12) {
      settle(engine, index, Outcome::kRetried, random_.between(0, 60));
    } else if (what < 18) {
      settle(engine, index, Outcome::kReleased, 0);
    } else {
      settle(engine, index, what < 25 ? Outcome::kDropped : Outcome::kCompleted, 0);
    }
  }
}

void World::settle(Engine& engine, size_t index, Outcome outcome, int64_t delay_ms) {
  const Held held = engine.held[index];
  AssignmentModel& model = assigned_[held.partition]->model;
  const Settlement settlement{held.lease, held.slot, static_cast<uint32_t>(delay_ms), outcome};
  dispatcher_->settle({&settlement, 1}, now_ms_);
  stale_.push_back(held);
  if (outcome == Outcome::kRetried || outcome == Outcome::kReleased) {
    model.give_back(held.offset, outcome == Outcome::kRetried ? now_ms_ + delay_ms : 0);
    const auto still = std::stable_partition(engine.held.begin(), engine.held.end(), [&](const Held& other) {
      return other.partition != held.partition || model.has_in_flight(other.offset);
    });
    stale_.insert(stale_.end(), still, engine.held.end());
    engine.held.erase(still, engine.held.end());
    return;
  }
  engine.held.erase(engine.held.begin() + static_cast<std::ptrdiff_t>(index));
  model.settle(held.offset);
  Record* record = logs_[held.partition].at(held.offset);
  if (record != nullptr && positions_[held.partition] > held.offset) record->ever_settled = true;
}

// P4: settlements of earlier epochs and attempts, doubled ones, and ones that never were.
void World::settle_stale() {
  Settlement settlement{random_.next() >> 12, static_cast<uint32_t>(random_.below(2'000)), 0, Outcome::kCompleted};
  if (!stale_.empty() && random_.chance(80)) {
    const Held& held = stale_[random_.below(stale_.size())];
    settlement = {held.lease, held.slot, 0, static_cast<Outcome>(random_.below(5))};
  }
  dispatcher_->settle({&settlement, 1}, now_ms_);
  require(dispatcher_->stats().stale_settlements == ++stale_count_, "P4", "a stale settlement was not refused");
}

void World::detach(Engine& engine) {
  trace("detach");
  dispatcher_->detach(engine.taker, now_ms_);
  while (!engine.held.empty()) {
    const Held held = engine.held.front();
    assigned_[held.partition]->model.give_back(held.offset, 0);
    stale_.push_back(held);
    engine.held.erase(engine.held.begin());
    std::erase_if(engine.held,
                  [&](const Held& other) { return !assigned_[other.partition]->model.has_in_flight(other.offset); });
  }
  dispatcher_->attach(engine.taker, [] {});
}

void World::commit(bool healthy) {
  for (const CommitSnapshot& snapshot : dispatcher_->changed()) {
    if (!store(snapshot, healthy)) dispatcher_->mark_changed(snapshot.partition, snapshot.epoch);
  }
}

// What the broker makes of a commit; false when the consumer hears of a failure (the commit may have happened).
bool World::store(const CommitSnapshot& snapshot, bool healthy) {
  if (!healthy && random_.chance(10)) return false;
  Log& log = logs_[snapshot.partition];
  const EncodedMetadata encoded = encode_gap_map(snapshot.map, carrier_, metadata_units_);
  require(encoded.units <= metadata_units_, "P5", "metadata above its limit");
  // A consumer that has not noticed a truncation yet: as in truncate(), not this simulation's case.
  if (positions_[snapshot.partition] <= snapshot.map.highest()) return true;
  log.committed = snapshot.map.base;
  log.metadata = encoded.text;
  return healthy || random_.chance(90);
}

void World::check() {
  const DispatcherStats stats = dispatcher_->stats();
  size_t held = 0;
  for (const auto& engine : engines_) held += engine->held.size();
  require(stats.in_flight == held, "P5",
          "in flight " + std::to_string(stats.in_flight) + ", engines hold " + std::to_string(held));
  require(stats.in_flight <= size_t{options_.concurrency} * options_.max_run_length, "P5", "too much in flight");
  require(stats.executing_lanes <= options_.concurrency, "P5", "too many lanes are executed");
  require(stats.buffered_messages <= options_.max_buffered_messages + logs_.size(), "P5", "too many buffered");
  require(stats.lanes <= stats.buffered_messages, "P5", "more lanes than messages");
  require(stats.retrying_lanes <= stats.lanes, "P5", "more timers than lanes");
  require(stats.stale_settlements == stale_count_, "P4", "a valid settlement was refused");
  for (PartitionId id = 0; id < logs_.size(); ++id) {
    if (!assigned_[id]) continue;
    const auto snapshot = dispatcher_->snapshot(id);
    if (snapshot) assigned_[id]->model.check(snapshot->map);
    if (snapshot) require(snapshot->epoch == assigned_[id]->epoch, "P4", "epoch");
  }
}

// With everything healthy, all that was ever produced must be settled within a bounded number of rounds.
void World::drain_everything() {
  for (size_t round = 0; round < kDrainRounds; ++round) {
    now_ms_ += 10;
    dispatcher_->advance(now_ms_);
    for (PartitionId id = 0; id < logs_.size(); ++id) {
      if (assigned_[id] && assigned_[id]->draining) release(id, true);
      if (!assigned_[id]) assign(id);
      dispatcher_->set_metadata_full(id, false);
      fetch(id);
    }
    for (const auto& engine : engines_) {
      take(*engine);
      settle_some(*engine, true);
    }
    check();
    const bool caught_up = std::equal(logs_.begin(), logs_.end(), positions_.begin(),
                                      [](Log& log, Offset position) { return log.next(position) == nullptr; });
    if (!caught_up || dispatcher_->stats().buffered_messages != 0) continue;
    for (const Log& log : logs_) require_settled(log);
    commit(true);
    return;
  }
  throw Broken{"P6: not drained after " + std::to_string(kDrainRounds) + " rounds"};
}

void World::trace(const std::string& text) const {
  if (verbose_) std::fprintf(stderr, "%lld %s\n", static_cast<long long>(now_ms_), text.c_str());
}

}  // namespace laneway::simulation
