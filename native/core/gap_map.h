// A gap map: which offsets are settled from a partition's committable offset upward.
//
// It is the value that travels between the tracker (which makes one per commit), the codecs (which turn it into
// commit metadata and back) and the recovery after a rebalance. Base, length and bits always belong together: a map
// is made in one step from one state of the tracker and never patched afterwards. The tracker's own maps begin with a
// gap and end with a settled offset; maps read from foreign metadata need not, and are kept as they were written.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace laneway {

// A Kafka offset. Offsets that reach JavaScript are at most kMaxOffset (2^53 - 1, the largest exact integer there).
using Offset = int64_t;
inline constexpr Offset kMaxOffset = (int64_t{1} << 53) - 1;

struct GapMap {
  // The committable offset that the map belongs to.
  Offset base = 0;
  // Offsets covered: [base, base + length). 0 when nothing at or above the base is settled.
  int64_t length = 0;
  // Bit (i % 64) of word (i / 64) is set when base + i is settled. Exactly (length + 63) / 64 words; bits at and
  // above `length` are zero.
  std::vector<uint64_t> settled;

  // The highest settled offset; base - 1 when the map is empty.
  Offset highest() const { return base + length - 1; }
  bool empty() const { return length == 0; }

  // True for every offset below the base and for every settled one in the map; false above it.
  bool is_settled(Offset offset) const;
  // How many offsets in [base, highest] are not settled. O(length / 64).
  int64_t gap_count() const;
  // Those offsets, ascending.
  std::vector<Offset> gaps() const;
  // How many offsets from base + `index` on are like it: all settled or all not. 0 at the end of the map.
  int64_t run_at(int64_t index) const;
  // The first `new_length` offsets of this map: a prefix of a gap map is still true. Ends with a settled offset, so
  // it may come out shorter.
  GapMap prefix(int64_t new_length) const;

  // Makes the map longer by `count` offsets, all settled or all not.
  void append_run(int64_t count, bool is_settled);

  // Requires highest >= base - 1 and every gap in [base, highest]; order and duplicates do not matter.
  static GapMap from_gaps(Offset base, Offset highest, std::span<const Offset> gaps);

  bool operator==(const GapMap&) const = default;
};

}  // namespace laneway
