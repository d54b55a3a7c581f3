// What a broker keeps of one partition: a log with holes, and the group's committed offset with its metadata.
// Everything that makes offsets surprising happens here: compaction, transaction markers, late log starts, retention,
// truncation, jumps. It also holds the broker's side of the oracle: what is committed must be settled (P1).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/gap_map.h"
#include "test/simulation/coverage.h"
#include "test/simulation/promise.h"
#include "test/simulation/random.h"
#include "test/simulation/traffic.h"
#include "test/simulation/truth.h"

namespace laneway::simulation {

class Log {
 public:
  Log(Random& random, Coverage& coverage) : coverage_(&coverage) {
    const size_t what = random.below(20);
    if (what >= 10) {
      start_ = random.between(1, 1'000'000'000'000);
      coverage.add(Event::kLateStart);
    }
    if (what == 19) {
      start_ = kMaxOffset - 5'000;
      coverage.add(Event::kNearLargestOffset);
    }
    end_ = start_;
    // Few logs lie next to the largest offset, and those never jump.
    jumps_ = what < 3;
  }

  Offset start() const { return start_; }
  Offset end() const { return end_; }
  size_t size() const { return records_.size(); }
  // Counts truncations: what was read under an earlier generation may be gone.
  uint32_t generation() const { return generation_; }

  void append(Random& random, Traffic& traffic) {
    const size_t kind = random.below(40);
    if (kind < 2) skip(1, Event::kMarker);
    if (kind == 2) skip(random.between(1, 90), Event::kCompactedBefore);
    if (kind == 3 && jumps_) skip(kJump, Event::kJump);
    records_.push_back(traffic.make(random, end_));
    ++end_;
    coverage_->add(Event::kProduced);
    if (records_.back().key == kNullKey) coverage_->add(Event::kNullKey);
    if (records_.back().value_size < 0) coverage_->add(Event::kTombstone);
    if (kind == 4) skip(random.between(1, 3), Event::kTailMarker);
    if (kind == 5) skip(random.between(1, 200), Event::kCompactedTail);
    if (kind == 6 && jumps_) skip(kJump, Event::kJump);
  }

  // Offsets that no consumer will ever see.
  void skip(Offset count, Event why) {
    end_ += count;
    coverage_->add(why);
  }
  // The tail is lost, and other messages take its place.
  void truncate(Offset to) {
    while (!records_.empty() && records_.back().offset >= to) records_.pop_back();
    settled_below_ = std::min(settled_below_, records_.size());
    end_ = to;
    ++generation_;
    if (committed_ < 0) return;
    commit(std::min(committed_, to), {}, {});
  }
  // The head is deleted.
  void retain_from(Offset from) {
    const auto gone = std::find_if(records_.begin(), records_.end(), [&](const Record& r) { return r.offset >= from; });
    settled_below_ -= std::min(settled_below_, static_cast<size_t>(gone - records_.begin()));
    records_.erase(records_.begin(), gone);
    start_ = std::max(start_, from);
  }
  void compact(Random& random) {
    std::erase_if(records_, [&](const Record&) { return random.chance(20); });
    settled_below_ = 0;
  }

  // The first record at or after `offset`; nullptr at the end.
  const Record* next(Offset offset) const {
    const auto found = std::lower_bound(records_.begin(), records_.end(), offset,
                                        [](const Record& record, Offset at) { return record.offset < at; });
    return found == records_.end() ? nullptr : &*found;
  }
  // The same record; nullptr when it was deleted, or lost in a truncation and another has its offset.
  Record* find(const Record& wanted) {
    const Record* record = next(wanted.offset);
    return record == nullptr || record->id != wanted.id ? nullptr : &records_[index_of(record)];
  }
  void mark_settled(const Record& settled, bool with_output) {
    Record* record = find(settled);
    if (record == nullptr) return;
    record->settled = true;
    record->awaits_letter = false;
    record->wants_output = with_output;
  }

  Offset committed() const { return committed_; }
  const std::string& metadata() const { return metadata_; }
  const GapMap& committed_map() const { return committed_map_; }
  // `map`: what `metadata` must decode to.
  void commit(Offset offset, std::string metadata, GapMap map) {
    committed_ = offset;
    metadata_ = std::move(metadata);
    committed_map_ = std::move(map);
  }

  // Another member of the group had the partition: it settled some of what is there, in any order, and committed this.
  GapMap progress_elsewhere(Random& random, bool with_outputs, int64_t window) {
    const Offset from = std::max(committed_, start_);
    Offset position = from;
    Offset highest = from - 1;
    std::vector<Offset> gaps;
    size_t left = random.below(20);
    for (Record& record : records_) {
      if (record.offset < from) continue;
      if (left == 0 && record.offset > committed_map_.highest()) break;
      if (record.offset - (gaps.empty() ? position : gaps.front()) >= window) break;
      if (left != 0) --left;
      position = record.offset + 1;
      const bool known = says_settled(committed_map_, record.offset);
      if (!known && !random.chance(60)) {
        gaps.push_back(record.offset);
        continue;
      }
      if (!known) {
        record.settled = true;
        record.wants_output = with_outputs;
        record.outputs += with_outputs ? 1 : 0;
      }
      highest = record.offset;
    }
    const Offset base = gaps.empty() ? position : gaps.front();
    while (!gaps.empty() && gaps.back() > highest) gaps.pop_back();
    return GapMap::from_gaps(base, std::max(highest, base - 1), gaps);
  }

  // P1, as the broker sees it: nothing below the offset is unsettled, nothing that the map calls settled is.
  void check_commit(const GapMap& map) {
    while (settled_below_ < records_.size() && records_[settled_below_].settled) ++settled_below_;
    for (size_t i = settled_below_; i < records_.size() && records_[i].offset <= map.highest(); ++i) {
      const Record& record = records_[i];
      if (says_settled(map, record.offset) && !record.settled) {
        broken(record.awaits_letter ? "P8" : "P1",
               "offset %lld is committed as settled and is not%s; the commit is from %lld to %lld",
               number(record.offset), record.awaits_letter ? " (its dead letter is not acknowledged)" : "",
               number(map.base), number(map.highest()));
      }
    }
  }
  // Exactly once: each settled message's outputs are seen by readers of committed data, once.
  void check_outputs() const {
    for (const Record& record : records_) {
      if (record.outputs == (record.wants_output ? 1 : 0)) continue;
      broken("outputs", "offset %lld has %d outputs, expected %d", number(record.offset), record.outputs,
             record.wants_output ? 1 : 0);
    }
  }
  // P1 and P6, when everything was healthy and is over.
  void check_nothing_lost() const {
    for (const Record& record : records_) {
      if (!record.settled)
        broken("P1", "offset %lld was lost; committed %lld", number(record.offset), number(committed_));
    }
  }

 private:
  size_t index_of(const Record* record) const { return static_cast<size_t>(record - records_.data()); }

  static constexpr Offset kJump = 5'000'000'000;

  Coverage* coverage_;
  std::vector<Record> records_;  // ascending offsets
  Offset start_ = 0;
  Offset end_ = 0;  // may lie above the last record
  bool jumps_ = false;
  uint32_t generation_ = 0;
  size_t settled_below_ = 0;  // every record before this index is settled
  Offset committed_ = -1;
  std::string metadata_;
  GapMap committed_map_;
};

}  // namespace laneway::simulation
