// Of the simulated world: rebalances of each protocol, and what a member reads of the group's commits. See world.h.
#include <algorithm>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {

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
  const Offset committed = map ? map->base : -1;
  const Offset covered = map ? map->base + map->length : -1;
  const uint64_t epoch = dispatcher_->assign(id, map);
  if (epoch <= last_epoch_) broken("P4", "epoch %lld is given again", number(epoch));
  last_epoch_ = epoch;
  positions_[id] = map ? std::max(map->base, log.start()) : log.start();
  assigned_[id].emplace(
      Assignment{epoch, {{options_, traffic_.keys(), told_ms_}, breakers_[id], std::move(map)}, log.generation()});
  assigned_[id]->committed = committed;
  assigned_[id]->covered = covered;
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

}  // namespace laneway::simulation
