// The tracker alone: every way in which the committable offset may move, and every way in which it must not. The last
// test runs random histories beside a set of offsets, which is the definition.
#include "core/offset_tracker.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace laneway {
namespace {

using Delivery = OffsetTracker::Delivery;
using Gaps = std::vector<Offset>;

constexpr int64_t kWindow = int64_t{1} << 20;

GapMap map_of(Offset base, Offset highest, const Gaps& gaps) { return GapMap::from_gaps(base, highest, gaps); }

void deliver_range(OffsetTracker& tracker, Offset from, Offset to) {
  for (Offset offset = from; offset < to; ++offset) ASSERT_EQ(tracker.deliver(offset), Delivery::kNew);
}

TEST(OffsetTracker, KnowsNothingBeforeTheFirstDelivery) {
  const OffsetTracker tracker(kWindow);
  EXPECT_FALSE(tracker.started());
  EXPECT_EQ(tracker.committable(), -1);
  EXPECT_EQ(tracker.position(), -1);
  EXPECT_TRUE(tracker.idle());
  EXPECT_TRUE(tracker.snapshot().empty());
}

TEST(OffsetTracker, StartsWhereTheLogStarts) {
  OffsetTracker tracker(kWindow);
  EXPECT_EQ(tracker.deliver(1'000'000), Delivery::kNew);
  EXPECT_EQ(tracker.committable(), 1'000'000);
  EXPECT_EQ(tracker.holes(), 0);
  EXPECT_TRUE(tracker.settle(1'000'000));
  EXPECT_EQ(tracker.committable(), 1'000'001);
}

TEST(OffsetTracker, CommitsTheLowestOffsetThatIsNotSettled) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 5);
  EXPECT_TRUE(tracker.settle(2));
  EXPECT_TRUE(tracker.settle(4));
  EXPECT_EQ(tracker.committable(), 0);
  EXPECT_EQ(tracker.highest_settled(), 4);
  EXPECT_EQ(tracker.snapshot(), map_of(0, 4, {0, 1, 3}));
  EXPECT_TRUE(tracker.settle(0));
  EXPECT_EQ(tracker.committable(), 1);
  EXPECT_TRUE(tracker.settle(1));
  EXPECT_EQ(tracker.committable(), 3);
  EXPECT_EQ(tracker.snapshot(), map_of(3, 4, {3}));
  EXPECT_TRUE(tracker.settle(3));
  EXPECT_EQ(tracker.committable(), 5);
  EXPECT_TRUE(tracker.snapshot().empty());
  EXPECT_TRUE(tracker.idle());
}

TEST(OffsetTracker, RefusesDuplicateAndUnknownSettlements) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 10, 14);
  EXPECT_FALSE(tracker.settle(9));
  EXPECT_FALSE(tracker.settle(14));
  EXPECT_FALSE(tracker.settle(-5));
  EXPECT_TRUE(tracker.settle(12));
  EXPECT_FALSE(tracker.settle(12));
  EXPECT_TRUE(tracker.settle(10));
  EXPECT_FALSE(tracker.settle(10));
  EXPECT_EQ(tracker.snapshot(), map_of(11, 12, {11}));
}

TEST(OffsetTracker, CountsAHoleAsSettledWhenALaterOffsetComes) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 2);
  EXPECT_EQ(tracker.deliver(700), Delivery::kNew);
  EXPECT_EQ(tracker.holes(), 698);
  EXPECT_EQ(tracker.highest_settled(), 699);
  EXPECT_FALSE(tracker.settle(300));
  EXPECT_TRUE(tracker.settle(0));
  EXPECT_EQ(tracker.committable(), 1);
  EXPECT_TRUE(tracker.settle(1));
  EXPECT_EQ(tracker.committable(), 700);
}

TEST(OffsetTracker, AHoleWithNothingOutstandingMovesTheCommittableOffset) {
  OffsetTracker tracker(64);
  EXPECT_EQ(tracker.deliver(0), Delivery::kNew);
  EXPECT_TRUE(tracker.settle(0));
  EXPECT_EQ(tracker.deliver(5'000'000'000), Delivery::kNew);
  EXPECT_EQ(tracker.committable(), 5'000'000'000);
  EXPECT_EQ(tracker.holes(), 4'999'999'999);
}

TEST(OffsetTracker, AHugeHoleWaitsUntilWhatIsOutstandingIsSettled) {
  OffsetTracker tracker(kWindow);
  EXPECT_EQ(tracker.deliver(7), Delivery::kNew);
  EXPECT_EQ(tracker.deliver(5'000'000'000), Delivery::kWindowFull);
  EXPECT_EQ(tracker.position(), 8);
  EXPECT_EQ(tracker.holes(), 0);
  EXPECT_TRUE(tracker.settle(7));
  EXPECT_EQ(tracker.deliver(5'000'000'000), Delivery::kNew);
  EXPECT_EQ(tracker.committable(), 5'000'000'000);
}

TEST(OffsetTracker, TakesExactlyAWindowOfOffsets) {
  OffsetTracker tracker(128);
  deliver_range(tracker, 100, 228);
  EXPECT_EQ(tracker.deliver(228), Delivery::kWindowFull);
  EXPECT_TRUE(tracker.settle(227));
  EXPECT_EQ(tracker.deliver(228), Delivery::kWindowFull);
  EXPECT_TRUE(tracker.settle(100));
  EXPECT_EQ(tracker.deliver(228), Delivery::kNew);
  EXPECT_EQ(tracker.deliver(229), Delivery::kWindowFull);
}

TEST(OffsetTracker, TheEndOfThePartitionClosesTheHoleAtTheTail) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 3);
  EXPECT_TRUE(tracker.settle(2));
  tracker.reach_end(5);
  EXPECT_EQ(tracker.position(), 5);
  EXPECT_EQ(tracker.snapshot(), map_of(0, 4, {0, 1}));
  EXPECT_TRUE(tracker.settle(0));
  EXPECT_TRUE(tracker.settle(1));
  EXPECT_EQ(tracker.committable(), 5);
  tracker.reach_end(5);
  tracker.reach_end(4);
  EXPECT_EQ(tracker.committable(), 5);
}

TEST(OffsetTracker, AnEmptyPartitionStartsAtItsEnd) {
  OffsetTracker tracker(kWindow);
  tracker.reach_end(42);
  EXPECT_EQ(tracker.committable(), 42);
  EXPECT_EQ(tracker.deliver(42), Delivery::kNew);
}

TEST(OffsetTracker, AnEndBeyondTheWindowCountsOnceItFits) {
  OffsetTracker tracker(64);
  deliver_range(tracker, 0, 3);
  tracker.reach_end(66);
  EXPECT_EQ(tracker.position(), 3);
  EXPECT_TRUE(tracker.settle(0));
  EXPECT_EQ(tracker.position(), 3);
  EXPECT_TRUE(tracker.settle(1));
  EXPECT_EQ(tracker.position(), 66);
  EXPECT_TRUE(tracker.settle(2));
  EXPECT_EQ(tracker.committable(), 66);
}

TEST(OffsetTracker, AnEndThatDidNotFitIsForgottenWhenTheLogGoesOnBelowIt) {
  OffsetTracker tracker(64);
  EXPECT_EQ(tracker.deliver(0), Delivery::kNew);
  tracker.reach_end(1'000);
  // The log was truncated to below the old end and has grown again: 10 is a message, and what follows is unknown.
  EXPECT_EQ(tracker.deliver(10), Delivery::kNew);
  EXPECT_TRUE(tracker.settle(0));
  EXPECT_TRUE(tracker.settle(10));
  EXPECT_EQ(tracker.committable(), 11);
  EXPECT_EQ(tracker.deliver(11), Delivery::kNew);
}

TEST(OffsetTracker, RecoveredOffsetsAreNotRunAgain) {
  OffsetTracker tracker(kWindow);
  tracker.restore(map_of(100, 107, {100, 103}));
  EXPECT_EQ(tracker.committable(), 100);
  EXPECT_EQ(tracker.position(), 100);
  EXPECT_EQ(tracker.deliver(100), Delivery::kNew);
  EXPECT_EQ(tracker.deliver(101), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.deliver(102), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.deliver(103), Delivery::kNew);
  EXPECT_FALSE(tracker.settle(101));
  EXPECT_TRUE(tracker.settle(100));
  EXPECT_EQ(tracker.committable(), 103);
  EXPECT_EQ(tracker.snapshot(), map_of(103, 107, {103}));
  EXPECT_TRUE(tracker.settle(103));
  // Never beyond the position, though recovery knows more.
  EXPECT_EQ(tracker.committable(), 104);
  EXPECT_EQ(tracker.highest_settled(), 107);
  for (Offset offset = 104; offset <= 107; ++offset) EXPECT_EQ(tracker.deliver(offset), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.committable(), 108);
  EXPECT_EQ(tracker.deliver(108), Delivery::kNew);
}

TEST(OffsetTracker, ARecoveredMapMayBeginWithASettledOffset) {
  OffsetTracker tracker(kWindow);
  tracker.restore(map_of(10, 12, {11}));
  EXPECT_EQ(tracker.deliver(10), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.committable(), 11);
  EXPECT_EQ(tracker.deliver(11), Delivery::kNew);
}

TEST(OffsetTracker, ARecoveredMapBeyondTheWindowIsCut) {
  OffsetTracker tracker(128);
  GapMap map;
  map.base = 1'000;
  map.append_run(1, false);
  map.append_run(500, true);
  tracker.restore(map);
  EXPECT_EQ(tracker.highest_settled(), 1'127);
  EXPECT_EQ(tracker.deliver(1'000), Delivery::kNew);
  EXPECT_EQ(tracker.deliver(1'127), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.deliver(1'128), Delivery::kWindowFull);
  EXPECT_TRUE(tracker.settle(1'000));
  EXPECT_EQ(tracker.deliver(1'128), Delivery::kNew);
}

TEST(OffsetTracker, ARecoveredMapSurvivesEveryAlignment) {
  for (Offset base = 0; base < 130; ++base) {
    for (const int64_t length : {1, 2, 63, 64, 65, 127, 128, 129, 200}) {
      GapMap map;
      map.base = base;
      for (int64_t i = 0; i < length; ++i) map.append_run(1, i == length - 1 || (i != 0 && (i * 7 + base) % 3 == 0));
      OffsetTracker tracker(kWindow);
      tracker.restore(map);
      EXPECT_EQ(tracker.snapshot(), map) << base << " " << length;
    }
  }
}

TEST(OffsetTracker, ALogThatStartsAboveTheCommittedOffsetMovesIt) {
  OffsetTracker tracker(kWindow);
  tracker.restore(map_of(100, 110, {100, 105}));
  EXPECT_EQ(tracker.deliver(9'000), Delivery::kNew);
  EXPECT_EQ(tracker.committable(), 9'000);
  EXPECT_TRUE(tracker.settle(9'000));
  EXPECT_EQ(tracker.committable(), 9'001);
  EXPECT_TRUE(tracker.snapshot().empty());
}

TEST(OffsetTracker, ALogThatStartsInsideTheRecoveredMapKeepsTheRest) {
  OffsetTracker tracker(kWindow);
  tracker.restore(map_of(100, 110, {100, 105, 109}));
  EXPECT_EQ(tracker.deliver(106), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.committable(), 107);
  EXPECT_EQ(tracker.deliver(107), Delivery::kAlreadySettled);
  EXPECT_EQ(tracker.deliver(109), Delivery::kNew);
  EXPECT_EQ(tracker.snapshot(), map_of(109, 110, {109}));
}

TEST(OffsetTracker, ARewoundDeliveryChangesNothing) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 10);
  EXPECT_TRUE(tracker.settle(4));
  EXPECT_EQ(tracker.deliver(9), Delivery::kRewound);
  EXPECT_EQ(tracker.deliver(0), Delivery::kRewound);
  EXPECT_EQ(tracker.position(), 10);
  EXPECT_EQ(tracker.snapshot(), map_of(0, 4, {0, 1, 2, 3}));
}

TEST(OffsetTracker, ARewindForgetsWhatLiesAboveAndKeepsWhatLiesBelow) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 200);
  for (const Offset offset : {3, 70, 150, 199}) EXPECT_TRUE(tracker.settle(offset));
  tracker.rewind(100);
  EXPECT_EQ(tracker.position(), 100);
  EXPECT_EQ(tracker.committable(), 0);
  EXPECT_EQ(tracker.highest_settled(), 70);
  EXPECT_FALSE(tracker.settle(120));
  EXPECT_EQ(tracker.deliver(100), Delivery::kNew);
  EXPECT_EQ(tracker.deliver(150), Delivery::kNew);
}

TEST(OffsetTracker, ARewindBelowTheCommittableOffsetTakesItBack) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 10);
  for (Offset offset = 0; offset < 8; ++offset) EXPECT_TRUE(tracker.settle(offset));
  EXPECT_TRUE(tracker.settle(9));
  tracker.rewind(5);
  EXPECT_EQ(tracker.committable(), 5);
  EXPECT_TRUE(tracker.snapshot().empty());
  EXPECT_EQ(tracker.deliver(5), Delivery::kNew);
  EXPECT_EQ(tracker.committable(), 5);
}

TEST(OffsetTracker, StartForgetsEverything) {
  OffsetTracker tracker(kWindow);
  deliver_range(tracker, 0, 5'000);
  EXPECT_TRUE(tracker.settle(4'000));
  tracker.start();
  EXPECT_FALSE(tracker.started());
  EXPECT_EQ(tracker.deliver(4'000), Delivery::kNew);
  EXPECT_TRUE(tracker.snapshot().empty());
}

TEST(OffsetTracker, WorksNextToTheLargestOffset) {
  OffsetTracker tracker(kWindow);
  const Offset first = kMaxOffset - 200;
  deliver_range(tracker, first, kMaxOffset + 1);
  for (Offset offset = kMaxOffset; offset > first; --offset) EXPECT_TRUE(tracker.settle(offset));
  EXPECT_EQ(tracker.snapshot(), map_of(first, kMaxOffset, {first}));
  EXPECT_TRUE(tracker.settle(first));
  EXPECT_EQ(tracker.committable(), kMaxOffset + 1);
}

TEST(OffsetTracker, TheWholeWindowMayBeOutOfOrder) {
  OffsetTracker tracker(int64_t{1} << 16);
  deliver_range(tracker, 5, 5 + (1 << 16));
  for (Offset offset = 5 + (1 << 16) - 1; offset > 5; --offset) EXPECT_TRUE(tracker.settle(offset));
  EXPECT_EQ(tracker.gap_count(), 1);
  EXPECT_TRUE(tracker.settle(5));
  EXPECT_EQ(tracker.committable(), 5 + (1 << 16));
  // The ring was given back, and works on.
  EXPECT_EQ(tracker.deliver(5 + (1 << 16)), Delivery::kNew);
}

// The definition of it all, kept in a set.
struct Definition {
  std::set<Offset> unsettled;
  std::set<Offset> recovered;  // settled, not delivered yet
  Offset position = -1;

  Offset committable() const { return unsettled.empty() ? position : *unsettled.begin(); }
  bool settled(Offset offset) const {
    return offset < position ? !unsettled.contains(offset) : recovered.contains(offset);
  }
};

class RandomHistory {
 public:
  explicit RandomHistory(uint32_t seed) : random_(seed), tracker_(pick(64, 400)), window_(tracker_.max_window()) {
    if (pick(0, 1) == 0) return;
    GapMap map;
    map.base = pick(0, 500);
    for (int64_t runs = pick(0, 6); runs > 0; --runs) map.append_run(pick(1, 90), pick(0, 1) == 0);
    tracker_.restore(map);
    expected_.position = map.base;
    for (int64_t i = 0; i < std::min(map.length, window_); ++i) {
      if (map.is_settled(map.base + i)) expected_.recovered.insert(map.base + i);
    }
  }

  void step() {
    const int64_t what = pick(0, 99);
    if (what < 45) {
      deliver(next_offset());
    } else if (what < 90) {
      settle();
    } else if (what < 94) {
      reach_end();
    } else if (what < 96 && expected_.position > 0) {
      rewind(std::max<Offset>(0, expected_.position - pick(1, 100)));
    }
    check();
  }

 private:
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  Offset next_offset() {
    const Offset at = expected_.position < 0 ? pick(0, 1'000) : expected_.position;
    return pick(0, 9) == 0 ? at + pick(1, 300) : at;
  }
  bool fits(Offset offset) const {
    return expected_.unsettled.empty() || offset - *expected_.unsettled.begin() < window_;
  }

  void deliver(Offset offset) {
    const bool room = fits(offset);
    const Delivery delivery = tracker_.deliver(offset);
    if (!room) {
      ASSERT_EQ(delivery, Delivery::kWindowFull);
      return;
    }
    ASSERT_EQ(delivery, expected_.recovered.contains(offset) ? Delivery::kAlreadySettled : Delivery::kNew);
    expected_.position = offset + 1;
    if (delivery == Delivery::kNew) expected_.unsettled.insert(offset);
    pending_end_ = -1;
  }

  void settle() {
    if (expected_.position < 0) return;
    const Offset offset = expected_.committable() + pick(-2, expected_.position - expected_.committable() + 1);
    const bool known = expected_.unsettled.erase(offset) != 0;
    ASSERT_EQ(tracker_.settle(offset), known) << offset;
    if (pending_end_ >= 0 && fits(pending_end_ - 1)) see_end(pending_end_);
  }

  void reach_end() {
    if (expected_.position < 0) return;
    const Offset end = expected_.position + pick(0, 120);
    tracker_.reach_end(end);
    if (fits(end - 1)) {
      see_end(end);
    } else {
      pending_end_ = end;
    }
  }

  void see_end(Offset end) {
    expected_.position = std::max(expected_.position, end);
    pending_end_ = -1;
  }

  void rewind(Offset to) {
    tracker_.rewind(to);
    pending_end_ = -1;
    expected_.unsettled.erase(expected_.unsettled.lower_bound(to), expected_.unsettled.end());
    expected_.recovered.clear();
    expected_.position = to;
  }

  void check() const {
    if (expected_.position < 0) return;
    ASSERT_EQ(tracker_.position(), expected_.position);
    ASSERT_EQ(tracker_.committable(), expected_.committable());
    const GapMap map = tracker_.snapshot();
    ASSERT_EQ(map.base, expected_.committable());
    ASSERT_EQ(map.highest(), tracker_.highest_settled());
    ASSERT_LE(map.length, window_);
    for (Offset offset = map.base; offset < map.base + window_; ++offset) {
      ASSERT_EQ(map.is_settled(offset), expected_.settled(offset)) << offset;
    }
  }

  std::mt19937 random_;
  OffsetTracker tracker_;
  int64_t window_;
  Definition expected_;
  Offset pending_end_ = -1;
};

TEST(OffsetTracker, AgreesWithASetOfOffsetsInRandomHistories) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    RandomHistory history(seed);
    for (int i = 0; i < 300; ++i) {
      history.step();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", step " << i;
    }
  }
}

}  // namespace
}  // namespace laneway
