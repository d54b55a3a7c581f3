// The common lane of a partition: when there is one, what its runs are, and what ends it. That key order survives all
// of it is the simulation's to show.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/support/harness.h"

namespace laneway {
namespace {

using Offsets = std::vector<Offset>;

// One message of each of `count` keys, then one more of each, and so on.
std::vector<Sent> rounds_of(int count, Offset from, Offset to) {
  std::vector<Sent> sent;
  for (Offset offset = from; offset < to; ++offset) sent.push_back({offset, "key " + std::to_string(offset % count)});
  return sent;
}

size_t runs_of(const std::vector<Taken>& taken) { return taken.empty() ? 0 : taken.back().run + 1; }

Harness& with_a_common_lane(Harness& harness) {
  harness.assign();
  harness.put(rounds_of(10, 0, 40));
  harness.settle_all(harness.take_sequentially(4));
  return harness;
}

// The handler of the message that is returned waits: the rest of its run, which is of all keys, is released.
Taken with_a_stalled_key(Harness& harness) {
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially();
  harness.settle(run[1], Outcome::kReleased);
  return run[0];
}

TEST(CommonLane, RunsAreOfAllKeysAndAsLongAsTheTake) {
  Harness harness;
  harness.assign();
  harness.put(rounds_of(10, 0, 60));
  const auto taken = harness.take_sequentially(50);
  EXPECT_EQ(runs_of(taken), 1U);
  EXPECT_EQ(taken.size(), 50U);
  EXPECT_EQ(taken[49].offset, 49);
  EXPECT_TRUE(harness.stats_of(0).common_lane);
  EXPECT_EQ(harness.dispatcher.stats().lanes, 1U);
  EXPECT_TRUE(harness.take_sequentially().empty()) << "the rest of the lane waits for its run";
  harness.settle_all(taken);
  EXPECT_EQ(offsets_of(harness.take_sequentially()), (Offsets{50, 51, 52, 53, 54, 55, 56, 57, 58, 59}));
}

TEST(CommonLane, AnEmptyPartitionBeginsWithOne) {
  Harness harness;
  harness.assign();
  EXPECT_TRUE(harness.take_sequentially().empty());
  harness.put(rounds_of(10, 0, 40));
  EXPECT_EQ(harness.dispatcher.stats().lanes, 1U);
  harness.settle_all(harness.take_sequentially());
  EXPECT_FALSE(harness.stats_of(0).common_lane);
  EXPECT_EQ(harness.dispatcher.stats().lanes, 0U);
}

TEST(CommonLane, AHandlerThatWaitsInsideARunHoldsItsOwnKeyOnly) {
  Harness harness;
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially();
  EXPECT_EQ(run.size(), 36U);
  harness.settle(run[1], Outcome::kReleased);
  EXPECT_FALSE(harness.stats_of(0).common_lane);
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 1U);
  const auto others = harness.take();
  EXPECT_EQ(runs_of(others), 9U);
  for (const Taken& message : others) EXPECT_NE(message.key, run[0].key);
  harness.settle_all(others);
  harness.settle(run[0]);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{14, 24, 34}));
}

TEST(CommonLane, TheRestOfARunGoesBackAlsoWhenTheLaneWasSplitMeanwhile) {
  Harness harness;
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially(5);
  EXPECT_EQ(harness.take().size(), 16U) << "the lane is split, and keys that are not leased may start";
  harness.settle(run[0]);
  harness.settle(run[2], Outcome::kReleased);
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 1U + 16U) << "run[1], and what was taken after the split";
}

TEST(CommonLane, ARetryHoldsItsOwnKeyOnlyAndEndsTheRun) {
  Harness harness;
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially();
  harness.settle(run[0], Outcome::kRetried, 100);
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 0U);
  const auto others = harness.take_sequentially();
  EXPECT_EQ(others.size(), 32U);
  EXPECT_EQ(runs_of(others), 1U) << "the closed lane stays beside the common one";
  harness.settle_all(others);
  harness.advance_to(harness.now_ms + 100);
  const auto again = harness.take_sequentially();
  EXPECT_EQ(offsets_of(again), (Offsets{4, 14, 24, 34}));
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_TRUE(harness.stats_of(0).common_lane);
}

TEST(CommonLane, AKeyThatWaitsHasALaneBesideItUntilItMayStartAgain) {
  Harness harness;
  const Taken stalled = with_a_stalled_key(harness);
  auto others = harness.take_sequentially();
  EXPECT_EQ(runs_of(others), 1U);
  EXPECT_EQ(others.size(), 32U);
  EXPECT_EQ(harness.stats_of(0).lanes, 2U);
  harness.settle_all(others);
  EXPECT_FALSE(harness.stats_of(0).common_lane) << "an empty lane is none";
  harness.put(rounds_of(10, 40, 60));
  EXPECT_EQ(harness.stats_of(0).lanes, 2U) << "two are for the key that waits";
  others = harness.take_sequentially();
  EXPECT_EQ(runs_of(others), 1U);
  EXPECT_EQ(others.size(), 18U);
  harness.put(rounds_of(10, 60, 70));
  harness.settle(stalled);
  EXPECT_EQ(offsets_of(harness.take_sequentially()), (Offsets{14, 24, 34, 44, 54, 64})) << "the common lane is out";
  harness.settle_all(others);
  EXPECT_EQ(harness.stats_of(0).lanes, 2U);
}

TEST(CommonLane, LanesThatMayStartAgainJoinItInTheOrderOfOffsets) {
  Harness harness;
  const Taken stalled = with_a_stalled_key(harness);
  harness.settle_all(harness.take_sequentially());
  harness.put(rounds_of(10, 40, 50));
  harness.settle(stalled);
  const auto all = harness.take_sequentially();
  EXPECT_EQ(offsets_of(all), (Offsets{14, 24, 34, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49}));
  EXPECT_EQ(runs_of(all), 1U);
}

TEST(CommonLane, IsSplitBesideLanesThatMayStart) {
  Harness harness;
  const Taken stalled = with_a_stalled_key(harness);
  harness.settle_all(harness.take_sequentially());
  harness.put(rounds_of(10, 40, 50));
  harness.settle(stalled);
  const auto all = harness.take();
  EXPECT_EQ(all.size(), 13U);
  EXPECT_EQ(runs_of(all), 10U);
}

TEST(CommonLane, RunsOfEarlierSplitsGoBackWhole) {
  Harness harness;
  with_a_common_lane(harness);
  const auto first = harness.take_sequentially(3);
  harness.settle_all(harness.take());
  harness.put(rounds_of(10, 40, 60));
  const auto second = harness.take_sequentially(3);
  EXPECT_EQ(offsets_of(second), (Offsets{40, 41, 42}));
  harness.settle_all(harness.take());
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 6U);
  harness.settle(first[0], Outcome::kReleased);
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 3U) << "the second run is another";
  harness.settle(second[1], Outcome::kReleased);
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 1U);
}

TEST(CommonLane, EndsWhereAKeyBesideItFailsAndMayBePoison) {
  for (const uint32_t poison_after : {0U, 3U}) {
    DispatcherOptions options;
    options.poison_after = poison_after;
    Harness harness(options);
    const Taken stalled = with_a_stalled_key(harness);
    const auto others = harness.take_sequentially();
    EXPECT_TRUE(harness.stats_of(0).common_lane);
    harness.settle(stalled, Outcome::kRetried, 100);
    EXPECT_EQ(harness.stats_of(0).common_lane, poison_after == 0);
  }
}

TEST(CommonLane, AWithheldMessageHoldsItsOwnKeyOnly) {
  Harness harness;
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially();
  EXPECT_TRUE(harness.dispatcher.withhold(run[0].lease, run[0].slot, harness.now_ms));
  EXPECT_EQ(harness.take_sequentially().size(), 32U);
}

TEST(CommonLane, EndsWithTheFirstTakeThatIsNotSequential) {
  Harness harness;
  with_a_common_lane(harness);
  const auto taken = harness.take();
  EXPECT_EQ(runs_of(taken), 10U);
  EXPECT_EQ(offsets_of(taken)[1], 14);
  EXPECT_FALSE(harness.stats_of(0).common_lane);
}

TEST(CommonLane, EndsWhenASecondTakerComes) {
  Harness harness;
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially(2);
  EXPECT_EQ(offsets_of(run), (Offsets{4, 5}));
  Taker second;
  int rings = 0;
  harness.dispatcher.attach(second, [&] { ++rings; });
  const auto others = harness.take_with(second, Harness::kAll, Harness::kAnyBytes, Harness::kAll, true);
  EXPECT_EQ(runs_of(others), 8U) << "what is leased keeps its lease, in the lane of its key";
  harness.settle_all(run);
  EXPECT_EQ(harness.take_sequentially().size(), 6U);
  EXPECT_FALSE(harness.stats_of(0).common_lane);
  harness.dispatcher.detach(second, harness.now_ms);
}

TEST(CommonLane, EndsWithAFullGapMap) {
  Harness harness;
  with_a_common_lane(harness);
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_FALSE(harness.stats_of(0).common_lane);
  EXPECT_TRUE(harness.take_sequentially().empty()) << "nothing fills a gap";
  harness.dispatcher.set_metadata_full(0, false);
  EXPECT_EQ(runs_of(harness.take_sequentially()), 1U);
}

TEST(CommonLane, GivesBackWhatAnEngineHadThatHasEnded) {
  Harness harness;
  with_a_common_lane(harness);
  const auto run = harness.take_sequentially();
  harness.dispatcher.detach(harness.taker, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.stats().in_flight, 0U);
  harness.dispatcher.attach(harness.taker, [] {});
  EXPECT_EQ(offsets_of(harness.take_sequentially()), offsets_of(run));
}

TEST(CommonLane, IsCutWhereTheLogIs) {
  Harness harness;
  with_a_common_lane(harness);
  harness.put({{20, "another"}});
  EXPECT_EQ(harness.dispatcher.stats().rewinds, 1U);
  const auto taken = harness.take_sequentially();
  EXPECT_EQ(taken.size(), 17U);
  EXPECT_EQ(taken[16].key, "another");
}

TEST(CommonLane, IsSplitAsEveryOrderAsksFor) {
  for (const Order order : {Order::kPartition, Order::kNone}) {
    DispatcherOptions options;
    options.order = order;
    Harness harness(options);
    with_a_common_lane(harness);
    EXPECT_TRUE(harness.stats_of(0).common_lane);
    const auto run = harness.take_sequentially();
    harness.settle(run[1], Outcome::kReleased);
    EXPECT_EQ(harness.take().size(), order == Order::kNone ? 35U : 0U);
  }
}

TEST(CommonLane, IsNotWhereItsSplitWouldTakeLong) {
  DispatcherOptions options;
  options.max_buffered_messages = 40'000;
  Harness harness(options);
  harness.assign(0);
  harness.put(rounds_of(10, 0, 40));
  EXPECT_EQ(runs_of(harness.take_sequentially()), 10U);
  harness.assign(1);
  harness.put(rounds_of(10, 0, 40), 1);
  EXPECT_EQ(runs_of(harness.take_sequentially()), 1U) << "half of the budget is not too much";
}

}  // namespace
}  // namespace laneway
