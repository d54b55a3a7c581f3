// The gap map as a value: every operation against the same one done offset by offset.
#include "core/gap_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace laneway {
namespace {

GapMap of(Offset base, const std::vector<bool>& settled) {
  GapMap map;
  map.base = base;
  for (const bool each : settled) map.append_run(1, each);
  return map;
}

std::vector<bool> random_bits(std::mt19937_64& random, size_t size) {
  std::vector<bool> bits(size);
  const uint64_t one_in = 1 + random() % 5;
  for (size_t i = 0; i < size; ++i) bits[i] = random() % one_in == 0;
  return bits;
}

TEST(GapMap, AnswersAsABitAtATimeWould) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size < 300; ++size) {
    const auto bits = random_bits(random, size);
    const GapMap map = of(1'000, bits);
    ASSERT_EQ(map.length, static_cast<int64_t>(size));
    ASSERT_EQ(map.settled.size(), (size + 63) / 64);
    std::vector<Offset> gaps;
    for (size_t i = 0; i < size; ++i) {
      ASSERT_EQ(map.is_settled(1'000 + static_cast<Offset>(i)), bits[i]);
      if (!bits[i]) gaps.push_back(1'000 + static_cast<Offset>(i));
    }
    EXPECT_EQ(map.gaps(), gaps);
    EXPECT_EQ(map.gap_count(), static_cast<int64_t>(gaps.size()));
    EXPECT_EQ(map.highest(), 1'000 + static_cast<Offset>(size) - 1);
    EXPECT_EQ(GapMap::from_gaps(1'000, map.highest(), gaps), map);
  }
}

TEST(GapMap, ARunEndsWhereTheBitsChange) {
  std::mt19937_64 random(4);
  for (size_t size = 0; size < 200; ++size) {
    const auto bits = random_bits(random, size);
    const GapMap map = of(3, bits);
    for (size_t i = 0; i < size; ++i) {
      size_t end = i;
      while (end < size && bits[end] == bits[i]) ++end;
      ASSERT_EQ(map.run_at(static_cast<int64_t>(i)), static_cast<int64_t>(end - i)) << i << " of " << size;
    }
    EXPECT_EQ(map.run_at(static_cast<int64_t>(size)), 0);
  }
}

TEST(GapMap, EverythingBelowTheBaseIsSettledAndNothingAboveTheHighestIs) {
  const GapMap map = of(50, {false, true});
  EXPECT_TRUE(map.is_settled(49));
  EXPECT_TRUE(map.is_settled(0));
  EXPECT_FALSE(map.is_settled(50));
  EXPECT_TRUE(map.is_settled(51));
  EXPECT_FALSE(map.is_settled(52));
  EXPECT_FALSE(map.is_settled(50 + 64));
}

TEST(GapMap, APrefixEndsWithTheLastSettledOffsetInside) {
  std::mt19937_64 random(2);
  for (size_t size = 0; size < 150; ++size) {
    const auto bits = random_bits(random, size);
    const GapMap map = of(7, bits);
    for (int64_t length = -1; length <= static_cast<int64_t>(size) + 1; ++length) {
      auto end = static_cast<size_t>(std::clamp<int64_t>(length, 0, static_cast<int64_t>(size)));
      while (end > 0 && !bits[end - 1]) --end;
      ASSERT_EQ(map.prefix(length), of(7, {bits.begin(), bits.begin() + static_cast<ptrdiff_t>(end)})) << length;
    }
  }
}

TEST(GapMap, RunsOfAnyLengthAppendAsBitsWould) {
  std::mt19937_64 random(3);
  GapMap map;
  std::vector<bool> bits;
  for (int i = 0; i < 200; ++i) {
    const auto count = random() % 200;
    const bool settled = random() % 2 == 0;
    map.append_run(static_cast<int64_t>(count), settled);
    bits.insert(bits.end(), count, settled);
    ASSERT_EQ(map, of(0, bits));
  }
}

TEST(GapMap, OrderAndDuplicatesOfGapsDoNotMatter) {
  const std::vector<Offset> mixed = {12, 10, 12, 75};
  const std::vector<Offset> sorted = {10, 12, 75};
  const GapMap map = GapMap::from_gaps(10, 80, mixed);
  EXPECT_EQ(map, GapMap::from_gaps(10, 80, sorted));
  EXPECT_EQ(map.gaps(), sorted);
}

TEST(GapMap, AnEmptyMapEndsBelowItsBase) {
  const GapMap map = GapMap::from_gaps(5, 4, {});
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.highest(), 4);
  EXPECT_TRUE(map.gaps().empty());
  EXPECT_EQ(map, of(5, {}));
}

}  // namespace
}  // namespace laneway
