// The slab pool: what is handed out, when it comes back, and which slab compaction is given. What compaction does with
// it is the dispatcher's, and tested there.
#include "core/slab.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace laneway {
namespace {

constexpr size_t kBudget = size_t{1} << 20;

TEST(SlabPool, ASlabHoldsWhatWasAskedForAndIsAligned) {
  SlabPool pool(kBudget);
  for (const size_t footprint : {size_t{8}, pool.slab_bytes(), pool.slab_bytes() + 8, 10 * pool.slab_bytes()}) {
    Slab* slab = pool.acquire(footprint);
    EXPECT_GE(slab->capacity, footprint);
    EXPECT_EQ(slab->used, 0U);
    EXPECT_TRUE(slab->filling);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slab->memory.get()) % kSlabAlignment, 0U);
    pool.seal(slab);
  }
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(SlabPool, AFootprintHoldsTheRecordTheBytesAndThePadding) {
  EXPECT_EQ(slab_footprint(0), sizeof(SlabRecord));
  for (size_t size = 0; size < 100; ++size) {
    EXPECT_GE(slab_footprint(size), sizeof(SlabRecord) + size);
    EXPECT_LT(slab_footprint(size), sizeof(SlabRecord) + size + kSlabAlignment);
    EXPECT_EQ(slab_footprint(size) % kSlabAlignment, 0U);
  }
}

TEST(SlabPool, ASlabLivesAsLongAsAMessageInIt) {
  SlabPool pool(kBudget);
  Slab* slab = pool.acquire(100);
  pool.add_live(slab, 16);
  pool.add_live(slab, 24);
  pool.remove_live(slab, 16);
  pool.seal(slab);
  EXPECT_EQ(pool.used_bytes(), pool.slab_bytes());
  pool.remove_live(slab, 24);
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(SlabPool, ASlabThatIsBeingFilledStaysEvenWhenNothingInItLives) {
  SlabPool pool(kBudget);
  Slab* slab = pool.acquire(100);
  pool.add_live(slab, 16);
  pool.remove_live(slab, 16);
  EXPECT_EQ(pool.used_bytes(), pool.slab_bytes());
  EXPECT_EQ(pool.emptiest(), nullptr);
  pool.seal(slab);
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(SlabPool, CompactionIsGivenTheEmptiestSealedSlabAtMostHalfFull) {
  SlabPool pool(kBudget);
  const auto sealed = [&](size_t live_bytes) {
    Slab* slab = pool.acquire(64);
    pool.add_live(slab, live_bytes);
    pool.seal(slab);
    return slab;
  };
  sealed(pool.slab_bytes() / 2 + 1);
  EXPECT_EQ(pool.emptiest(), nullptr);
  sealed(pool.slab_bytes() / 2);
  Slab* emptiest = sealed(8);
  sealed(16);
  pool.add_live(pool.acquire(64), 8);
  EXPECT_EQ(pool.emptiest(), emptiest);
}

TEST(SlabPool, AMessageThatLivesAloneTakesItsOwnBytesOnly) {
  SlabPool pool(kBudget);
  const size_t footprint = pool.shared_limit() + 8;
  Slab* slab = pool.acquire(footprint);
  pool.add_live(slab, footprint);
  pool.seal(slab);
  EXPECT_EQ(pool.used_bytes(), footprint);
  EXPECT_EQ(pool.emptiest(), nullptr) << "moving it would free nothing";
  pool.remove_live(slab, footprint);
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(SlabPool, FullSlabsAreNoReasonToCompact) {
  SlabPool pool(kBudget);
  for (int i = 0; i < 40; ++i) {
    Slab* slab = pool.acquire(64);
    pool.add_live(slab, pool.slab_bytes());
    pool.seal(slab);
    EXPECT_FALSE(pool.at_limit());
  }
}

TEST(SlabPool, SlabsAreFreedInAnyOrder) {
  SlabPool pool(kBudget);
  std::vector<Slab*> slabs;
  for (int i = 0; i < 40; ++i) {
    slabs.push_back(pool.acquire(i % 5 == 0 ? pool.slab_bytes() * 2 : 64));
    pool.add_live(slabs.back(), 64);
    pool.seal(slabs.back());
  }
  EXPECT_TRUE(pool.at_limit()) << "40 slabs for 40 small messages";
  for (size_t i = 0; i < slabs.size(); i += 2) pool.remove_live(slabs[i], 64);
  for (size_t i = 1; i < slabs.size(); i += 2) pool.remove_live(slabs[i], 64);
  EXPECT_EQ(pool.used_bytes(), 0U);
  EXPECT_FALSE(pool.at_limit());
}

}  // namespace
}  // namespace laneway
