// Free numbers come out lowest first, each once; compared with a std::set.
#include "core/free_slots.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace laneway {
namespace {

TEST(FreeSlots, TheLowestGoesFirst) {
  FreeSlots free;
  EXPECT_TRUE(free.empty());
  free.add(0, 3);
  EXPECT_EQ(free.take(), 0U);
  EXPECT_EQ(free.take(), 1U);
  free.put(0);
  EXPECT_EQ(free.take(), 0U);
  EXPECT_EQ(free.take(), 2U);
  EXPECT_TRUE(free.empty());
}

TEST(FreeSlots, AgreeWithASet) {
  std::mt19937 random(3);
  for (const uint32_t chunk : {1U, 63U, 64U, 1024U}) {
    FreeSlots free;
    std::set<uint32_t> expected;
    std::vector<uint32_t> taken;
    uint32_t extent = 0;
    for (int i = 0; i < 60'000; ++i) {
      // Mostly taken first, later mostly put back.
      if (!taken.empty() && random() % 60'000 < static_cast<uint32_t>(i)) {
        std::swap(taken[random() % taken.size()], taken.back());
        free.put(taken.back());
        expected.insert(taken.back());
        taken.pop_back();
        continue;
      }
      ASSERT_EQ(free.empty(), expected.empty());
      if (expected.empty()) {
        free.add(extent, chunk);
        for (uint32_t end = extent + chunk; extent < end; ++extent) expected.insert(extent);
      }
      const uint32_t slot = free.take();
      ASSERT_EQ(slot, *expected.begin());
      expected.erase(slot);
      taken.push_back(slot);
    }
  }
}

}  // namespace
}  // namespace laneway
