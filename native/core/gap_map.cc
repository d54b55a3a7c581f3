// See gap_map.h. Everything here works a word at a time.
#include "core/gap_map.h"

#include <algorithm>
#include <bit>

namespace laneway {

namespace {

constexpr uint64_t kAll = ~uint64_t{0};

// The lowest `count` bits; all of them for 64.
uint64_t low_bits(int64_t count) { return count >= 64 ? kAll : (uint64_t{1} << count) - 1; }

}  // namespace

bool GapMap::is_settled(Offset offset) const {
  if (offset < base) return true;
  const int64_t i = offset - base;
  return i < length && (settled[static_cast<size_t>(i / 64)] >> (i % 64) & 1) != 0;
}

int64_t GapMap::gap_count() const {
  int64_t set = 0;
  for (const uint64_t word : settled) set += std::popcount(word);
  return length - set;
}

std::vector<Offset> GapMap::gaps() const {
  std::vector<Offset> found;
  found.reserve(static_cast<size_t>(gap_count()));
  for (int64_t at = 0; at < length; at += 64) {
    uint64_t unsettled = ~settled[static_cast<size_t>(at / 64)] & low_bits(length - at);
    for (; unsettled != 0; unsettled &= unsettled - 1) found.push_back(base + at + std::countr_zero(unsettled));
  }
  return found;
}

int64_t GapMap::run_at(int64_t index) const {
  if (index >= length) return 0;
  const uint64_t flip = is_settled(base + index) ? kAll : 0;
  for (int64_t at = index; at < length; at = (at | 63) + 1) {
    const uint64_t others = (settled[static_cast<size_t>(at / 64)] ^ flip) >> (at % 64);
    // The zeros above the end end a settled run there; an unsettled one they would carry beyond it.
    if (others != 0) return std::min(at + std::countr_zero(others), length) - index;
  }
  return length - index;
}

GapMap GapMap::prefix(int64_t new_length) const {
  GapMap cut;
  cut.base = base;
  cut.length = std::clamp<int64_t>(new_length, 0, length);
  while (cut.length > 0) {
    const int64_t word = (cut.length - 1) / 64;
    const uint64_t bits = settled[static_cast<size_t>(word)] & low_bits(cut.length - word * 64);
    cut.length = word * 64;
    if (bits == 0) continue;
    cut.length += 64 - std::countl_zero(bits);
    break;
  }
  cut.settled.assign(settled.begin(), settled.begin() + (cut.length + 63) / 64);
  if (cut.length % 64 != 0) cut.settled.back() &= low_bits(cut.length % 64);
  return cut;
}

void GapMap::append_run(int64_t count, bool is_settled) {
  const int64_t from = length;
  length += count;
  settled.resize(static_cast<size_t>((length + 63) / 64));
  if (!is_settled) return;
  for (int64_t at = from; at < length;) {
    const int64_t next = std::min(length, (at | 63) + 1);
    settled[static_cast<size_t>(at / 64)] |= low_bits(next - at) << (at % 64);
    at = next;
  }
}

GapMap GapMap::from_gaps(Offset base, Offset highest, std::span<const Offset> gaps) {
  GapMap map;
  map.base = base;
  map.length = highest - base + 1;
  map.settled.assign(static_cast<size_t>((map.length + 63) / 64), kAll);
  if (map.length % 64 != 0) map.settled.back() = low_bits(map.length % 64);
  for (const Offset gap : gaps) {
    const int64_t i = gap - base;
    map.settled[static_cast<size_t>(i / 64)] &= ~(uint64_t{1} << (i % 64));
  }
  return map;
}

}  // namespace laneway
