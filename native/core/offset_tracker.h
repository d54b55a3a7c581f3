// Which offsets of one partition are settled: the truth behind every commit.
//
// A ring of 64-bit words holds one bit per offset from the committable offset upward; a set bit means settled. The
// tracker works on delivered offsets: what the log skips (compaction, transaction markers, a log that starts late) is a
// hole, and counts as settled the moment a later offset or the end of the partition is seen. It has no lock: the
// dispatcher that owns it has one.
#pragma once

#include <cstdint>
#include <vector>

#include "core/gap_map.h"

namespace laneway {

class OffsetTracker {
 public:
  enum class Delivery {
    // To be run.
    kNew,
    // Recovered metadata says that it is settled: not to be run again (P3).
    kAlreadySettled,
    // Below the position: the log was truncated, or the position was moved back. Nothing was changed; the caller
    // forgets what it has from this offset on, calls rewind() and delivers again.
    kRewound,
    // `max_window` or more above the committable offset. Nothing was changed; to be delivered again later.
    kWindowFull,
  };

  // `max_window`: the most offsets between the committable one and the highest delivered; bounds memory to an eighth
  // of a byte each.
  explicit OffsetTracker(int64_t max_window);

  // Forgets everything; the first delivery or end of partition says where the log starts.
  void start();
  // Forgets everything; begins at map.base with what the map says is settled. Parts of the map above the window are
  // forgotten, which is safe: they are run again.
  void restore(const GapMap& map);

  // Offsets arrive in ascending order. Amortised O(1) per delivered offset, O(hole / 64) for a hole.
  Delivery deliver(Offset offset);
  // True when the offset was delivered and not settled yet. False changes nothing.
  bool settle(Offset offset);
  // Everything from `to` on is unknown again; what lies below stays as it is.
  void rewind(Offset to);
  // Nothing below `end` is still to come: the end of the partition was reached there.
  void reach_end(Offset end);

  // True once the log's position is known.
  bool started() const { return base_ >= 0; }
  // The lowest offset that is not settled; -1 before the start.
  Offset committable() const { return base_; }
  // At least committable() - 1.
  Offset highest_settled() const { return highest_ < base_ ? base_ - 1 : highest_; }
  // The next offset to come; -1 before the start.
  Offset position() const { return position_; }
  // True when everything delivered is settled.
  bool idle() const { return base_ == position_; }
  int64_t max_window() const { return max_window_; }
  // Offsets that the log skipped, since start() or restore().
  int64_t holes() const { return holes_; }
  // Unsettled offsets below the highest settled one. O(window / 64).
  int64_t gap_count() const { return snapshot().gap_count(); }

  // Base, highest and gaps of one moment. O(window / 64).
  GapMap snapshot() const;

 private:
  uint64_t& word(Offset offset) { return words_[static_cast<size_t>(offset >> 6) & mask_]; }
  const uint64_t& word(Offset offset) const { return words_[static_cast<size_t>(offset >> 6) & mask_]; }
  bool is_set(Offset offset) const;
  bool fits(Offset offset) const { return offset - base_ < max_window_; }
  void reserve(Offset offset);
  void set_range(Offset from, Offset to);
  void move_to(Offset base);
  void advance();
  void skip_to(Offset offset);

  int64_t max_window_;
  std::vector<uint64_t> words_;
  size_t mask_ = 0;
  // Bits are meaningful in [base_, highest_]; every other bit of the ring is zero.
  Offset base_ = -1;
  Offset position_ = -1;
  Offset highest_ = -1;
  // An end that did not fit into the window when it was reached.
  Offset pending_end_ = -1;
  int64_t holes_ = 0;
};

}  // namespace laneway
