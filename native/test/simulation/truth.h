// What a gap map says, read by the oracles themselves: bit by bit, with nothing of the core's own arithmetic, so that a
// fault there does not hide in the oracle too.
#pragma once

#include <algorithm>

#include "core/gap_map.h"

namespace laneway::simulation {

inline bool says_settled(const GapMap& map, Offset offset) {
  if (offset < map.base) return true;
  const auto i = static_cast<uint64_t>(offset - map.base);
  return i < static_cast<uint64_t>(map.length) && ((map.settled[i / 64] >> (i % 64)) & 1) != 0;
}

// The first `length` offsets of a map, up to the last settled one among them: what must be left when the rest does not
// fit into metadata or into the window.
inline GapMap head_of(const GapMap& map, int64_t length) {
  GapMap head;
  head.base = map.base;
  head.length = std::min(length, map.length);
  while (head.length > 0 && !says_settled(map, map.base + head.length - 1)) --head.length;
  head.settled.resize(static_cast<size_t>((head.length + 63) / 64));
  for (int64_t i = 0; i < head.length; ++i) {
    if (says_settled(map, map.base + i)) head.settled[static_cast<size_t>(i / 64)] |= uint64_t{1} << (i % 64);
  }
  return head;
}

}  // namespace laneway::simulation
