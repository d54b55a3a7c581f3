// Of the simulated world: commits and transactions, from the dispatcher to the broker and back. See world.h.
#include <algorithm>
#include <iterator>
#include <utility>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {

namespace {

// As MetadataWriter's.
constexpr double kNearLimit = 0.9;
constexpr double kHasRoom = 0.7;

}  // namespace

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
// messages, as far as the maps go. Outputs above a map that is cut wait: what it does not say would be run again, and
// its outputs would be seen again.
void World::commit_transaction(std::vector<CommitSnapshot> snapshots, bool healthy) {
  if (undecided_) decide();
  for (CommitSnapshot& snapshot : snapshots) {
    for (auto& [offset, output] : snapshot.outputs) {
      kept_.push_back({snapshot.partition, snapshot.epoch, offset, std::move(output)});
    }
    send(snapshot);
    const SentCommit& commit = sent_.back();
    // A shorter map than the last one takes back what it said.
    const Assignment& assignment = *assigned_[snapshot.partition];
    const bool is_rewound = commit.map.base < assignment.committed;
    if (is_rewound || commit.map.base + commit.encoded.covered >= assignment.covered) continue;
    cover(Event::kHeldBack);
    sent_.pop_back();
    dispatcher_->mark_changed(snapshot.partition, snapshot.epoch);
  }
  if (sent_.empty()) return;
  std::vector<SentCommit> commits(std::make_move_iterator(sent_.begin()), std::make_move_iterator(sent_.end()));
  sent_.clear();
  std::vector<Kept> outputs;
  for (Kept& kept : kept_) {
    const auto commit = std::find_if(commits.begin(), commits.end(),
                                     [&](const SentCommit& each) { return each.partition == kept.partition; });
    if (commit == commits.end()) continue;
    if (kept.offset >= commit->map.base + commit->encoded.covered) {
      cover(Event::kHeldBack);
      continue;
    }
    outputs.push_back(std::move(kept));
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
    for (const SentCommit& commit : transaction.commits) {
      auto& assignment = assigned_[commit.partition];
      if (!assignment || assignment->epoch != commit.epoch) continue;
      assignment->committed = commit.map.base;
      assignment->covered = commit.map.base + commit.encoded.covered;
    }
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
  if (assignment.full) assignment.model.split();
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
  if (assigned_[id]->full) assigned_[id]->model.split();
  dispatcher_->set_metadata_full(id, assigned_[id]->full);
  dispatcher_->mark_changed(id, assigned_[id]->epoch);
}

}  // namespace laneway::simulation
