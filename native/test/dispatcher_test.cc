// The dispatcher, rule by rule, in the order in which a message lives: intake, taking, settling, retries, commits,
// rebalances, full metadata, bytes. Titles are the promises; what needs chance or many steps is the simulation's.
#include "core/dispatcher.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <vector>

#include "test/support/harness.h"

namespace laneway {
namespace {

using Offsets = std::vector<Offset>;

DispatcherOptions options_with(void (*change)(DispatcherOptions&)) {
  DispatcherOptions options;
  change(options);
  return options;
}

size_t runs_of(const std::vector<Taken>& taken) { return taken.empty() ? 0 : taken.back().run + 1; }

// --- Intake ----------------------------------------------------------------------------------------------------------

TEST(Intake, RefusesAPartitionThatIsNotAssignedOrOfAnotherEpoch) {
  Harness harness;
  EXPECT_EQ(harness.intake.open(0, 0), 0U);
  EXPECT_EQ(harness.intake.open(7, 1), 0U);
  const uint64_t epoch = harness.assign(0);
  EXPECT_EQ(harness.intake.open(0, epoch + 1), 0U);
  EXPECT_GT(harness.intake.open(0, epoch), 0U);
}

TEST(Intake, RefusesADrainingPartitionAndEveryOneAfterTheStop) {
  Harness harness;
  const uint64_t first = harness.assign(0);
  const uint64_t second = harness.assign(1);
  harness.dispatcher.begin_drain(0);
  EXPECT_EQ(harness.intake.open(0, first), 0U);
  EXPECT_GT(harness.intake.open(1, second), 0U);
  harness.dispatcher.stop_taking();
  EXPECT_EQ(harness.intake.open(1, second), 0U);
}

TEST(Intake, ForgetsABatchWhoseEpochEndedBeforeItWasPublished) {
  Harness harness;
  const uint64_t epoch = harness.assign();
  harness.intake.open(0, epoch);
  EXPECT_TRUE(harness.intake.add(to_incoming({5, "a"})));
  harness.dispatcher.release(0);
  harness.assign();
  EXPECT_TRUE(harness.intake.publish());
  EXPECT_TRUE(harness.take().empty());
  EXPECT_EQ(harness.dispatcher.stats().buffered_messages, 0U);
  EXPECT_EQ(harness.committable(), -1);
}

TEST(Intake, ABudgetOfOneMessageStillMovesEveryMessage) {
  Harness harness(options_with([](DispatcherOptions& options) {
    options.max_buffered_messages = 1;
    options.max_buffered_bytes = 1;
    options.concurrency = 1;
    options.max_run_length = 1;
  }));
  harness.assign(0);
  harness.assign(1);
  Offset at = 0;
  for (int round = 0; round < 50; ++round) {
    EXPECT_EQ(harness.put(sent_range(at, at + 3, "key", std::string(100, 'x'))), 1U);
    EXPECT_EQ(harness.put(sent_range(at, at + 3, "key", ""), 1), 1U) << "an empty partition may always take one";
    for (int i = 0; i < 2; ++i) {
      const auto taken = harness.take();
      ASSERT_EQ(taken.size(), 1U);
      harness.settle_all(taken);
    }
    ++at;
  }
  EXPECT_EQ(harness.committable(0), 50);
  EXPECT_EQ(harness.committable(1), 50);
}

TEST(Intake, StopsAtThePartitionsShareAndGoesOnAtSevenTenths) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_messages = 40; }));
  harness.assign(0);
  harness.assign(1);
  EXPECT_EQ(harness.put(sent_range(0, 100, std::nullopt)), 20U);
  EXPECT_EQ(harness.put(sent_range(20, 100, std::nullopt)), 0U);
  EXPECT_TRUE(harness.stats_of(0).paused);
  std::vector<PartitionId> called;
  harness.dispatcher.set_space_listener([&](PartitionId partition) { called.push_back(partition); });
  auto taken = harness.take();
  for (int i = 0; i < 5; ++i) harness.settle(taken[static_cast<size_t>(i)]);
  EXPECT_TRUE(called.empty());
  EXPECT_EQ(harness.put(sent_range(20, 100, std::nullopt)), 0U);
  harness.settle(taken[5]);
  EXPECT_EQ(called, std::vector<PartitionId>{0});
  EXPECT_EQ(harness.put(sent_range(20, 100, std::nullopt)), 6U);
}

TEST(Intake, StopsAtThePartitionsShareOfBytes) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_bytes = 1'000; }));
  harness.assign();
  EXPECT_EQ(harness.put(sent_range(0, 100, std::nullopt, std::string(300, 'x'))), 3U);
  EXPECT_EQ(harness.put({{3, std::nullopt, std::string(100, 'x')}}), 1U);
  EXPECT_EQ(harness.put({{4, std::nullopt, "x"}}), 0U);
}

TEST(Intake, AMessageLargerThanEveryBudgetGoesThroughAlone) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_bytes = 1'000; }));
  harness.assign();
  const std::string large(300'000, 'L');
  EXPECT_EQ(harness.put({{0, "a", "small"}, {1, "b", large}}), 1U);
  harness.settle_all(harness.take());
  EXPECT_EQ(harness.put({{1, "b", large}, {2, "c", "small"}}), 1U);
  const auto taken = harness.take(10, 1);
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].value, large);
  harness.settle_all(taken);
  EXPECT_EQ(harness.put({{2, "c", "small"}}), 1U);
}

// P6: "a stalled record delays its own key only". What another partition holds above its share counts, but only as long
// as it holds it.
TEST(Intake, SpaceThatAnotherPartitionGivesBackIsUsed) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_messages = 10; }));
  harness.assign(0);
  harness.put(sent_range(0, 10, std::nullopt), 0);
  const auto first = harness.take();
  harness.assign(1);
  EXPECT_EQ(harness.put(sent_range(0, 10, std::nullopt), 1), 1U);
  EXPECT_EQ(harness.put(sent_range(1, 10, std::nullopt), 1), 0U) << "everything is taken by the first partition";
  std::set<PartitionId> called;
  harness.dispatcher.set_space_listener([&](PartitionId partition) { called.insert(partition); });
  harness.settle_all(first);
  EXPECT_TRUE(called.contains(1));
  EXPECT_EQ(harness.put(sent_range(1, 10, std::nullopt), 1), 4U) << "its one message is stalled, its share is free";
}

// Of 16 messages for four partitions half is their own, two each, and half is lent: at most six to one of them.
TEST(Intake, APartitionOfManyBorrowsAndLeavesTheOthersWhatIsTheirOwn) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_messages = 16; }));
  for (PartitionId partition = 0; partition < 4; ++partition) harness.assign(partition);
  EXPECT_EQ(harness.put(sent_range(0, 20, std::nullopt), 0), 6U);
  EXPECT_EQ(harness.put(sent_range(0, 20, std::nullopt), 1), 6U);
  EXPECT_EQ(harness.put(sent_range(0, 20, std::nullopt), 2), 2U) << "everything that can be lent is lent";
  EXPECT_EQ(harness.put(sent_range(0, 20, std::nullopt), 3), 2U);
}

TEST(Intake, WhoWaitsForLoansGoesOnOnceHalfOfThemIsBack) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_messages = 16; }));
  for (PartitionId partition = 0; partition < 4; ++partition) harness.assign(partition);
  harness.put(sent_range(0, 6, std::nullopt), 0);
  const auto taken = harness.take();
  harness.put(sent_range(0, 6, std::nullopt), 1);
  harness.put(sent_range(0, 2, std::nullopt), 2);
  EXPECT_EQ(harness.put(sent_range(2, 6, std::nullopt), 2), 0U);
  std::vector<PartitionId> called;
  harness.dispatcher.set_space_listener([&](PartitionId partition) { called.push_back(partition); });
  for (size_t i = 0; i < 3; ++i) harness.settle(taken[i]);
  EXPECT_TRUE(called.empty());
  harness.settle(taken[3]);
  EXPECT_EQ(called, std::vector<PartitionId>{2});
  EXPECT_EQ(harness.put(sent_range(2, 6, std::nullopt), 2), 4U);
}

TEST(Intake, AnAssignedPartitionThatIsAssignedAgainGivesItsSpaceBack) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_buffered_messages = 10; }));
  harness.assign(0);
  harness.put(sent_range(0, 10, std::nullopt), 0);
  harness.assign(1);
  harness.put(sent_range(0, 1, std::nullopt), 1);
  EXPECT_EQ(harness.put(sent_range(1, 2, std::nullopt), 1), 0U);
  harness.assign(0);
  EXPECT_EQ(harness.put(sent_range(1, 10, std::nullopt), 1), 4U);
}

TEST(Intake, AMessageBeyondTheWindowPausesThePartitionUntilSomethingSettles) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_window = 64; }));
  harness.assign();
  EXPECT_EQ(harness.put({{0, "a"}, {1, "b"}, {5'000'000'000, "c"}}), 2U);
  EXPECT_TRUE(harness.published);
  EXPECT_TRUE(harness.stats_of(0).paused);
  EXPECT_EQ(harness.put({{5'000'000'000, "c"}}), 0U);
  const auto taken = harness.take();
  harness.settle(taken[0]);
  EXPECT_EQ(harness.put({{5'000'000'000, "c"}}), 0U);
  harness.settle(taken[1]);
  EXPECT_EQ(harness.put({{5'000'000'000, "c"}}), 1U);
  EXPECT_EQ(harness.committable(), 5'000'000'000);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{5'000'000'000});
}

TEST(Intake, AWindowThatOpenedBeforeTheBatchWasPublishedPausesNothing) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_window = 64; }));
  const uint64_t epoch = harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  const auto taken = harness.take();
  harness.intake.open(0, epoch);
  EXPECT_FALSE(harness.intake.add(to_incoming({64, "c"})));
  harness.settle(taken[0]);  // b may stay where it is for long
  harness.intake.publish();
  EXPECT_FALSE(harness.stats_of(0).paused);
  EXPECT_EQ(harness.put({{64, "c"}}), 1U);
}

TEST(Intake, ABatchThatWasNeverPublishedLeavesNothingBehind) {
  Dispatcher dispatcher({});
  {
    Intake intake(dispatcher);
    intake.open(0, dispatcher.assign(0, std::nullopt));
    EXPECT_TRUE(intake.add(to_incoming({0, "a", std::string(500'000, 'x')})));
    EXPECT_TRUE(intake.add(to_incoming({1, "a"})));
  }
  EXPECT_EQ(dispatcher.stats().slab_bytes, 0U);
  EXPECT_EQ(dispatcher.stats().buffered_messages, 0U);
}

// --- Taking ----------------------------------------------------------------------------------------------------------

TEST(Take, KeysRunInParallelAndEachInItsOrder) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "a"}, {3, "b"}, {4, "c"}});
  const auto taken = harness.take();
  EXPECT_EQ(offsets_of(taken), (Offsets{0, 2, 1, 3, 4}));
  EXPECT_EQ(runs_of(taken), 3U);
  EXPECT_TRUE(harness.take().empty());
}

TEST(Take, AKeyIsNeverInFlightTwice) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_run_length = 2; }));
  harness.assign();
  harness.put(sent_range(0, 5, "a"));
  const auto first = harness.take();
  EXPECT_EQ(offsets_of(first), (Offsets{0, 1}));
  EXPECT_TRUE(harness.take().empty());
  harness.put(sent_range(5, 6, "a"));
  EXPECT_TRUE(harness.take().empty());
  harness.settle(first[0]);
  EXPECT_TRUE(harness.take().empty()) << "one of the run is still out";
  harness.settle(first[1]);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{2, 3}));
}

TEST(Take, RecordsWithoutAKeyRunInParallelAndAnEmptyKeyIsAKey) {
  Harness harness;
  harness.assign();
  harness.put({{0, std::nullopt}, {1, std::nullopt}, {2, ""}, {3, ""}});
  EXPECT_EQ(runs_of(harness.take()), 3U);
}

TEST(Take, OrderByPartitionIsOneLanePerPartition) {
  Harness harness(options_with([](DispatcherOptions& options) { options.order = Order::kPartition; }));
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}, {1, std::nullopt}, {2, "b"}}, 0);
  harness.put({{0, "a"}, {1, "b"}}, 1);
  const auto taken = harness.take();
  EXPECT_EQ(offsets_of(taken), (Offsets{0, 1, 2, 0, 1}));
  EXPECT_EQ(runs_of(taken), 2U);
}

TEST(Take, WithoutOrderEveryMessageIsALane) {
  Harness harness(options_with([](DispatcherOptions& options) { options.order = Order::kNone; }));
  harness.assign();
  harness.put(sent_range(0, 5, "a"));
  EXPECT_EQ(runs_of(harness.take()), 5U);
}

TEST(Take, TheSameKeyInTwoPartitionsIsTwoLanes) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}}, 0);
  harness.put({{0, "a"}}, 1);
  EXPECT_EQ(runs_of(harness.take()), 2U);
}

TEST(Take, ConcurrencyCountsLanes) {
  Harness harness(options_with([](DispatcherOptions& options) { options.concurrency = 2; }));
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "a"}});
  const auto taken = harness.take();
  EXPECT_EQ(offsets_of(taken), (Offsets{0, 3, 1}));
  EXPECT_TRUE(harness.take().empty());
  harness.settle(taken[2]);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{2});
}

TEST(Take, StopsAtTheNumberOfMessages) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 10, "a"));
  harness.put(sent_range(10, 20, "b"));
  EXPECT_EQ(offsets_of(harness.take(3)), (Offsets{0, 1, 2}));
  EXPECT_EQ(offsets_of(harness.take(1)), Offsets{10});
  EXPECT_TRUE(harness.take(0).empty());
}

TEST(Take, StopsAtTheNumberOfBytesButTakesOneMessageAtLeast) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 4, "a", std::string(99, 'x')));
  harness.put(sent_range(4, 8, "b", std::string(99, 'x')));
  const auto first = harness.take(Harness::kAll, 250);
  EXPECT_EQ(offsets_of(first), (Offsets{0, 1, 4})) << "one message above the limit at most";
  harness.settle_all(first);
  EXPECT_EQ(harness.take(Harness::kAll, 1).size(), 1U);
  EXPECT_EQ(harness.take(Harness::kAll, 0).size(), 1U);
}

TEST(Take, RunsAreAsShortAsItIsToldButOfOneMessageAtLeast) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_run_length = 4; }));
  harness.assign();
  harness.put(sent_range(0, 10, "a"));
  const auto runs_of_up_to = [&](size_t most) {
    const auto taken = harness.take(Harness::kAll, Harness::kAnyBytes, most);
    harness.settle_all(taken);
    return taken.size();
  };
  EXPECT_EQ(runs_of_up_to(2), 2U);
  EXPECT_EQ(runs_of_up_to(0), 1U);
  EXPECT_EQ(runs_of_up_to(1'000), 4U) << "no longer than the option says";
}

TEST(Take, PartitionsHaveTheirTurnInATurn) {
  Harness harness(options_with([](DispatcherOptions& options) { options.concurrency = 10'000; }));
  harness.assign(0);
  harness.assign(1);
  harness.put(sent_range(0, 500, std::nullopt), 0);
  harness.put(sent_range(0, 500, std::nullopt), 1);
  size_t of_second = 0;
  for (const Taken& message : harness.take(400)) of_second += message.partition;
  EXPECT_GE(of_second, 100U);
  EXPECT_LE(of_second, 300U);
}

TEST(Take, NothingAfterTheStopButLeasesStillSettle) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "b"}});
  const auto taken = harness.take(1);
  harness.dispatcher.stop_taking();
  EXPECT_TRUE(harness.take().empty());
  harness.settle_all(taken);
  EXPECT_EQ(harness.committable(), 1);
  EXPECT_EQ(harness.dispatcher.in_flight(), 0U);
  EXPECT_EQ(harness.rings, 0);
}

// --- Doorbells -------------------------------------------------------------------------------------------------------

TEST(Doorbell, RingsOnceAfterATakeThatFoundNothing) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  EXPECT_EQ(harness.rings, 0) << "the engine has not asked yet";
  harness.settle_all(harness.take());
  EXPECT_TRUE(harness.take().empty());
  harness.put({{1, "a"}});
  EXPECT_EQ(harness.rings, 1);
  harness.put({{2, "b"}});
  EXPECT_EQ(harness.rings, 1);
}

TEST(Doorbell, RingsWhenASettlementOpensALane) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  const auto taken = harness.take();
  EXPECT_TRUE(harness.take().empty());
  harness.put({{1, "a"}});
  EXPECT_EQ(harness.rings, 0);
  harness.settle_all(taken);
  EXPECT_EQ(harness.rings, 1);
}

TEST(Doorbell, RingsWhenARetryIsDueAndWhenMetadataHasRoomAgain) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  harness.settle(harness.take()[0], Outcome::kRetried, 50);
  EXPECT_TRUE(harness.take().empty());
  harness.advance_to(harness.now_ms + 49);
  EXPECT_EQ(harness.rings, 0);
  harness.advance_to(harness.now_ms + 1);
  EXPECT_EQ(harness.rings, 1);
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.set_metadata_full(0, false);
  EXPECT_EQ(harness.rings, 2);
}

TEST(Doorbell, RingsWhenAnotherPartitionGivesItsConcurrencyBack) {
  Harness harness(options_with([](DispatcherOptions& options) { options.concurrency = 1; }));
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}}, 0);
  EXPECT_EQ(harness.take().size(), 1U);
  harness.put({{0, "a"}}, 1);
  EXPECT_TRUE(harness.take().empty());
  EXPECT_EQ(harness.rings, 0);
  harness.assign(0);
  EXPECT_EQ(harness.rings, 1);
  EXPECT_EQ(harness.take().size(), 1U);
  harness.put({{0, "a"}}, 0);
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.release(1);
  EXPECT_EQ(harness.rings, 2);
}

TEST(Doorbell, RingsEveryIdleEngine) {
  Harness harness;
  harness.assign();
  Taker second;
  int second_rings = 0;
  ASSERT_TRUE(harness.dispatcher.attach(second, [&] { ++second_rings; }));
  EXPECT_TRUE(harness.take().empty());
  EXPECT_TRUE(harness.take_with(second).empty());
  harness.put({{0, "a"}});
  EXPECT_EQ(harness.rings, 1);
  EXPECT_EQ(second_rings, 1);
}

// --- Settling --------------------------------------------------------------------------------------------------------

TEST(Settle, EveryOutcomeButRetriedAndReleasedSettles) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "d"}, {4, "e"}});
  const auto taken = harness.take();
  harness.settle(taken[0], Outcome::kCompleted);
  harness.settle(taken[1], Outcome::kDeadLettered);
  harness.settle(taken[2], Outcome::kDropped);
  EXPECT_EQ(harness.committable(), 3);
  harness.settle(taken[3], Outcome::kRetried);
  harness.settle(taken[4], Outcome::kReleased);
  EXPECT_EQ(harness.committable(), 3);
  EXPECT_EQ(harness.dispatcher.stats().settled, 3U);
}

TEST(Settle, OutOfOrderInsideARunKeepsTheRestOfTheRunClosed) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 4, "a"));
  const auto taken = harness.take();
  harness.settle(taken[2]);
  harness.settle(taken[3]);
  EXPECT_EQ(harness.committable(), 0);
  harness.put(sent_range(4, 5, "a"));
  EXPECT_TRUE(harness.take().empty());
  harness.settle(taken[0]);
  EXPECT_EQ(harness.committable(), 1);
  harness.settle(taken[1]);
  EXPECT_EQ(harness.committable(), 4);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{4});
}

TEST(Settle, StaleSettlementsChangeNothingAndAreCounted) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  const auto taken = harness.take();
  harness.settle(taken[0]);
  harness.settle(taken[0]);
  harness.settle(taken[0], Outcome::kRetried);
  Taken wrong = taken[1];
  wrong.lease += 1;
  harness.settle(wrong);
  wrong = taken[1];
  wrong.slot = 4'000'000'000;
  harness.settle(wrong);
  wrong.slot = 999;
  wrong.lease = 0;
  harness.settle(wrong);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 5U);
  EXPECT_EQ(harness.committable(), 1);
  EXPECT_EQ(harness.dispatcher.in_flight(), 1U);
}

TEST(Settle, ASettlementFromAnEarlierAttemptOrEpochIsStale) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  const auto first = harness.take();
  harness.settle(first[0], Outcome::kRetried, 0);
  harness.advance_to(harness.now_ms);
  const auto second = harness.take();
  EXPECT_EQ(second[0].slot, first[0].slot);
  harness.settle(first[0]);
  EXPECT_EQ(harness.committable(), 0);
  harness.dispatcher.release(0);
  harness.assign();
  harness.put({{0, "a"}});
  const auto third = harness.take();
  harness.settle(second[0]);
  EXPECT_EQ(harness.committable(), 0);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 2U);
  harness.settle(third[0]);
  EXPECT_EQ(harness.committable(), 1);
}

TEST(Settle, MessagesBehindAStalledOneDoNotPileUp) {
  Harness harness(options_with([](DispatcherOptions& options) {
    options.max_buffered_messages = 100;
    options.max_run_length = 8;
  }));
  harness.assign();
  uint32_t highest_slot = 0;
  Offset at = 0;
  for (int round = 0; round < 5'000; ++round) {
    at += static_cast<Offset>(harness.put(sent_range(at, at + 10, "a")));
    const auto taken = harness.take();
    // As a batch handler does whose first message fails: the others of its key are done.
    for (size_t i = taken.size(); i-- > 1;) harness.settle(taken[i]);
    harness.settle(taken[0], Outcome::kRetried, 0);
    harness.advance_to(harness.now_ms);
    for (const Taken& message : taken) highest_slot = std::max(highest_slot, message.slot);
  }
  EXPECT_EQ(harness.committable(), 0);
  EXPECT_GT(at, 5'000);
  EXPECT_LT(highest_slot, 4'096U) << "entries of settled messages are used again";
}

TEST(Settle, AnEmptyListIsNothing) {
  Harness harness;
  harness.dispatcher.settle({}, 0);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 0U);
}

// --- Retries and releases --------------------------------------------------------------------------------------------

TEST(Retry, KeepsTheLaneClosedUntilItsTimeAndOthersOpen) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}});
  const auto taken = harness.take(1);
  harness.settle(taken[0], Outcome::kRetried, 100);
  EXPECT_EQ(harness.dispatcher.stats().waiting_lanes, 1U);
  EXPECT_EQ(harness.dispatcher.advance(harness.now_ms), harness.now_ms + 100);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{2});
  EXPECT_EQ(harness.dispatcher.advance(harness.now_ms + 99), harness.now_ms + 100);
  EXPECT_TRUE(harness.take().empty());
  EXPECT_EQ(harness.dispatcher.advance(harness.now_ms + 100), -1);
  const auto again = harness.take();
  EXPECT_EQ(offsets_of(again), (Offsets{0, 1}));
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_EQ(again[1].attempt, 1U);
}

TEST(Retry, GivesTheRestOfItsRunBackAndWaitsForWhatIsOutBeforeIt) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 4, "a"));
  const auto taken = harness.take();
  harness.settle(taken[1], Outcome::kRetried, 100);
  EXPECT_EQ(harness.dispatcher.in_flight(), 1U);
  harness.settle(taken[2]);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 1U) << "it went back with the one before it";
  harness.advance_to(harness.now_ms + 500);
  EXPECT_TRUE(harness.take().empty());
  harness.settle(taken[0]);
  EXPECT_EQ(harness.committable(), 1);
  EXPECT_TRUE(harness.take().empty()) << "due since, but its timer has only just started";
  harness.advance_to(harness.now_ms);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{1, 2, 3}));
}

TEST(Retry, TheLaterOfTwoDelaysCounts) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 2, "a"));
  const auto taken = harness.take();
  harness.settle(taken[1], Outcome::kRetried, 100);
  harness.settle(taken[0], Outcome::kRetried, 10);
  EXPECT_EQ(harness.dispatcher.advance(harness.now_ms + 99), harness.now_ms + 100);
}

TEST(Retry, AttemptsAreCountedWithoutEnd) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  for (uint32_t attempt = 1; attempt < 70'000; ++attempt) {
    const auto taken = harness.take();
    ASSERT_EQ(taken.size(), 1U);
    ASSERT_EQ(taken[0].attempt, std::min(attempt, 65'536U));
    harness.settle(taken[0], Outcome::kRetried, 0);
    harness.advance_to(harness.now_ms);
  }
}

TEST(Release, GoesBackToTheHeadOfItsLaneAtOnceAndIsNoAttempt) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 3, "a"));
  const auto taken = harness.take(2);
  harness.settle(taken[0], Outcome::kReleased);
  const auto again = harness.take();
  EXPECT_EQ(offsets_of(again), (Offsets{0, 1, 2}));
  EXPECT_EQ(again[0].attempt, 1U);
}

TEST(Detach, GivesBackEverythingOfThatEngineAndNothingOfOthers) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  Taker second;
  ASSERT_TRUE(harness.dispatcher.attach(second, [] {}));
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}, {3, "c"}}, 0);
  harness.put({{0, "a"}}, 1);
  const auto first_taken = harness.take(3);
  const auto second_taken = harness.take_with(second);
  EXPECT_EQ(first_taken.size() + second_taken.size(), 5U);
  harness.settle(first_taken[0]);
  harness.dispatcher.detach(harness.taker, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), second_taken.size());
  EXPECT_EQ(offsets_of(harness.take_with(second)), (Offsets{1, 2}));
  harness.settle_all(second_taken);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 0U);
  harness.dispatcher.detach(harness.taker, harness.now_ms);  // a second time: nothing
  EXPECT_EQ(harness.dispatcher.in_flight(), 2U);
}

TEST(Detach, KeepsTheDelayOfARetryInTheSameRun) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 3, "a"));
  const auto taken = harness.take();
  harness.settle(taken[1], Outcome::kRetried, 100);
  harness.dispatcher.detach(harness.taker, harness.now_ms);
  ASSERT_TRUE(harness.dispatcher.attach(harness.taker, [] {}));
  EXPECT_TRUE(harness.take().empty());
  harness.advance_to(harness.now_ms + 100);
  EXPECT_EQ(harness.take().size(), 3U);
}

TEST(Detach, RingsAnEngineThatIsIdle) {
  Harness harness;
  harness.assign();
  Taker second;
  ASSERT_TRUE(harness.dispatcher.attach(second, [] {}));
  harness.put({{0, "a"}});
  EXPECT_EQ(harness.take_with(second).size(), 1U);
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.detach(second, harness.now_ms);
  EXPECT_EQ(harness.rings, 1);
}

TEST(Attach, RefusesTheTwoHundredAndFiftySixthEngine) {
  Dispatcher dispatcher({});
  std::vector<std::unique_ptr<Taker>> takers;
  for (int i = 0; i < 255; ++i) {
    takers.push_back(std::make_unique<Taker>());
    ASSERT_TRUE(dispatcher.attach(*takers.back(), [] {}));
  }
  Taker late;
  EXPECT_FALSE(dispatcher.attach(late, [] {}));
  dispatcher.detach(*takers[100], 0);
  EXPECT_TRUE(dispatcher.attach(late, [] {}));
}

// --- Takers whose threads end ----------------------------------------------------------------------------------------

// An engine on a thread of its own, known as a ward.
class Supervised : public Harness {
 public:
  explicit Supervised(const DispatcherOptions& options = {}) : Harness(options) {
    dispatcher.attach(
        worker, [this] { ++worker_rings; }, kWard);
  }

  static constexpr uint64_t kWard = 7;
  Taker worker;
  int worker_rings = 0;
};

TEST(Leave, LeavesWhatItHadLeasedAndItsLanesClosed) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "a"}});
  ASSERT_EQ(harness.take_with(harness.worker).size(), 3U);
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), 3U);
  EXPECT_TRUE(harness.take().empty());
}

TEST(Leave, RingsNobody) {
  Supervised harness;
  harness.assign();
  EXPECT_TRUE(harness.take_with(harness.worker).empty());
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  harness.put({{0, "a"}});
  EXPECT_EQ(harness.worker_rings, 0);
}

TEST(Leave, OfATakerThatNobodySupervisesReleasesWhatItHad) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}});
  ASSERT_EQ(harness.take().size(), 1U);
  harness.dispatcher.leave(harness.taker, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), 0U);
  EXPECT_EQ(harness.take_with(harness.worker).size(), 1U);
}

TEST(Abandon, ReleasesWhatIsNotSettledMeanwhileAndNothingOfOthers) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}, {3, "c"}});
  const auto taken = harness.take_with(harness.worker, 3);
  ASSERT_EQ(offsets_of(taken), (Offsets{0, 1, 2}));
  const auto others = harness.take();
  ASSERT_EQ(offsets_of(others), (Offsets{3}));
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  // What ran has failed: its supervisor says so, by its own taker's settlements.
  harness.settle(taken[0], Outcome::kRetried, 100);
  harness.dispatcher.abandon(Supervised::kWard, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), 1U);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{2}));
  harness.advance_to(harness.now_ms + 100);
  const auto again = harness.take();
  ASSERT_EQ(offsets_of(again), (Offsets{0, 1}));
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_EQ(again[1].attempt, 1U);
}

TEST(Abandon, RingsAnEngineThatIsIdle) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}});
  ASSERT_EQ(harness.take_with(harness.worker).size(), 1U);
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  EXPECT_EQ(harness.rings, 0);
  harness.dispatcher.abandon(Supervised::kWard, harness.now_ms);
  EXPECT_EQ(harness.rings, 1);
}

TEST(Abandon, ChangesNothingOfATakerThatLivesNorASecondTimeNorOfAnUnknownWard) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  ASSERT_EQ(harness.take_with(harness.worker, 1).size(), 1U);
  ASSERT_EQ(harness.take().size(), 1U);
  harness.dispatcher.abandon(Supervised::kWard, harness.now_ms);
  harness.dispatcher.abandon(0, harness.now_ms);
  harness.dispatcher.abandon(99, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), 2U);
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  harness.dispatcher.abandon(Supervised::kWard, harness.now_ms);
  // Its place is another's by now.
  Taker next;
  ASSERT_TRUE(harness.dispatcher.attach(
      next, [] {}, 8));
  ASSERT_EQ(harness.take_with(next).size(), 1U);
  harness.dispatcher.abandon(Supervised::kWard, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), 2U);
}

TEST(Abandon, FreesThePlaceOfATakerThatHasLeft) {
  Dispatcher dispatcher({});
  for (uint64_t ward = 1; ward <= 1'000; ++ward) {
    Taker taker;
    ASSERT_TRUE(dispatcher.attach(
        taker, [] {}, ward));
    dispatcher.leave(taker, 0);
    if (ward > 200) dispatcher.abandon(ward - 200, 0);
  }
}

TEST(Abandon, AfterThePartitionWentAwayChangesNothing) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}});
  ASSERT_EQ(harness.take_with(harness.worker).size(), 1U);
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  harness.dispatcher.release(0);
  harness.assign();
  harness.put({{0, "a"}});
  ASSERT_EQ(harness.take().size(), 1U);
  harness.dispatcher.abandon(Supervised::kWard, harness.now_ms);
  EXPECT_EQ(harness.dispatcher.in_flight(), 1U);
}

// --- Reading what is leased ------------------------------------------------------------------------------------------

TEST(Read, GivesAMessageThatAnotherTakerHasLeasedAsItWasTaken) {
  Supervised harness;
  harness.assign(3);
  harness.put({{5, "a", "first", "hh"}, {6, "a", std::nullopt}}, 3);
  harness.settle(harness.take()[0], Outcome::kRetried);
  harness.advance_to(harness.now_ms + 1);
  const auto taken = harness.take_with(harness.worker);
  ASSERT_EQ(taken.size(), 2U);
  for (const Taken& message : taken) {
    const auto read = harness.read(message);
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(read[0].lease, message.lease);
    EXPECT_EQ(read[0].slot, message.slot);
    EXPECT_EQ(read[0].partition, 3U);
    EXPECT_EQ(read[0].offset, message.offset);
    EXPECT_EQ(read[0].attempt, message.attempt);
    EXPECT_EQ(read[0].timestamp_ms, message.timestamp_ms);
    EXPECT_EQ(read[0].key, message.key);
    EXPECT_EQ(read[0].value, message.value);
    EXPECT_EQ(read[0].headers, message.headers);
  }
  EXPECT_EQ(taken[0].attempt, 2U);
  EXPECT_EQ(harness.dispatcher.in_flight(), 2U);
  harness.settle_all(taken);
  EXPECT_EQ(harness.committable(3), 7);
}

TEST(Read, FindsALeaseAfterItsTakerHasLeft) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a", "value"}});
  const auto taken = harness.take_with(harness.worker);
  harness.dispatcher.leave(harness.worker, harness.now_ms);
  const auto read = harness.read(taken.at(0));
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].value, "value");
}

TEST(Read, FindsNoLeaseThatIsGone) {
  Supervised harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}});
  const auto taken = harness.take_with(harness.worker);
  harness.settle(taken[0]);
  harness.settle(taken[1], Outcome::kRetried, 100);
  EXPECT_TRUE(harness.read(taken[0]).empty());
  EXPECT_TRUE(harness.read(taken[1]).empty());
  harness.dispatcher.release(0);
  EXPECT_TRUE(harness.read(taken[2]).empty());
}

// --- Commits ---------------------------------------------------------------------------------------------------------

TEST(Commit, OnlyWhatChangedAndAgainWhatFailed) {
  Harness harness;
  const uint64_t epoch = harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}, {1, "b"}}, 0);
  harness.put({{0, "a"}}, 1);
  EXPECT_TRUE(harness.dispatcher.changed().empty());
  const auto taken = harness.take();
  harness.settle(taken[1]);
  const auto changed = harness.dispatcher.changed();
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].partition, 0U);
  EXPECT_EQ(changed[0].epoch, epoch);
  EXPECT_EQ(changed[0].map, GapMap::from_gaps(0, 1, Offsets{0}));
  EXPECT_TRUE(harness.dispatcher.changed().empty());
  harness.dispatcher.mark_changed(0, epoch + 100);
  EXPECT_TRUE(harness.dispatcher.changed().empty());
  harness.dispatcher.mark_changed(0, epoch);
  EXPECT_EQ(harness.dispatcher.changed().size(), 1U);
}

TEST(Commit, NothingBeforeTheLogsPositionIsKnown) {
  Harness harness;
  const uint64_t epoch = harness.assign();
  EXPECT_FALSE(harness.dispatcher.snapshot(0).has_value());
  EXPECT_FALSE(harness.dispatcher.snapshot(9).has_value());
  harness.dispatcher.mark_changed(0, epoch);
  EXPECT_TRUE(harness.dispatcher.changed().empty());
}

TEST(Commit, TheEndOfThePartitionMovesTheOffsetOverTheMarkersAtTheTail) {
  Harness harness;
  const uint64_t epoch = harness.assign();
  harness.put({{0, "a"}});
  harness.dispatcher.reach_end(0, epoch + 1, 3);
  harness.dispatcher.reach_end(0, epoch, 3);
  EXPECT_EQ(harness.committable(), 0);
  harness.settle_all(harness.take());
  EXPECT_EQ(harness.committable(), 3);
  harness.dispatcher.changed();
  harness.dispatcher.reach_end(0, epoch, 5);
  ASSERT_EQ(harness.dispatcher.changed().size(), 1U);
  EXPECT_EQ(harness.dispatcher.stats().holes, 4U);
}

TEST(Commit, AnEndBeyondTheWindowCountsOnceTheRestIsSettled) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_window = 64; }));
  const uint64_t epoch = harness.assign();
  harness.put({{0, "a"}});
  harness.dispatcher.reach_end(0, epoch, 5'000'000'000);
  EXPECT_EQ(harness.committable(), 0);
  harness.settle_all(harness.take());
  EXPECT_EQ(harness.committable(), 5'000'000'000);
  EXPECT_EQ(harness.dispatcher.stats().holes, 4'999'999'999U);
}

TEST(Commit, WorksNextToTheLargestOffset) {
  Harness harness;
  harness.assign(0, GapMap::from_gaps(kMaxOffset - 2, kMaxOffset - 1, Offsets{kMaxOffset - 2}));
  EXPECT_EQ(harness.put(sent_range(kMaxOffset - 2, kMaxOffset + 1, "a")), 3U);
  const auto taken = harness.take();
  EXPECT_EQ(offsets_of(taken), (Offsets{kMaxOffset - 2, kMaxOffset}));
  harness.settle_all(taken);
  EXPECT_EQ(harness.committable(), kMaxOffset + 1);
}

// --- Assignment ------------------------------------------------------------------------------------------------------

TEST(Assignment, RecoveredOffsetsAreSkipped) {
  Harness harness;
  harness.assign(0, GapMap::from_gaps(100, 104, Offsets{100, 103}));
  harness.put(sent_range(100, 107, std::nullopt));
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{100, 103, 105, 106}));
  EXPECT_EQ(harness.dispatcher.stats().skipped_settled, 3U);
}

TEST(Assignment, DrainStartsNothingAndLetsLeasesSettle) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}}, 0);
  const auto taken = harness.take(1);
  harness.put({{0, "a"}}, 1);
  harness.dispatcher.begin_drain(0);
  EXPECT_FALSE(harness.dispatcher.drained(0));
  const auto others = harness.take();
  ASSERT_EQ(others.size(), 1U);
  EXPECT_EQ(others[0].partition, 1U);
  harness.settle_all(taken);
  EXPECT_TRUE(harness.dispatcher.drained(0));
  EXPECT_EQ(harness.committable(), 1);
  EXPECT_TRUE(harness.take().empty());
}

TEST(Assignment, ARetryThatIsDueDuringADrainStartsNothing) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  const auto taken = harness.take();
  harness.settle(taken[0], Outcome::kRetried, 10);
  harness.dispatcher.begin_drain(0);
  harness.settle(taken[1], Outcome::kReleased);
  harness.advance_to(harness.now_ms + 10);
  EXPECT_TRUE(harness.take().empty());
  EXPECT_TRUE(harness.dispatcher.drained(0));
  harness.dispatcher.release(0);
  EXPECT_EQ(harness.dispatcher.stats().lanes, 0U);
  EXPECT_EQ(harness.dispatcher.stats().waiting_lanes, 0U);
}

TEST(Assignment, ReleaseForgetsLanesTimersLeasesAndBytes) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "waits"}, {1, "runs"}, {2, "runs"}, {3, "ready"}, {4, "held"}}, 0);
  harness.put({{0, "other"}}, 1);
  auto taken = harness.take(3);
  harness.settle(taken[0], Outcome::kRetried, 10);
  harness.dispatcher.set_metadata_full(0, true);
  harness.dispatcher.release(0);
  const DispatcherStats stats = harness.dispatcher.stats();
  EXPECT_EQ(stats.lanes, 1U);
  EXPECT_EQ(stats.executing_lanes, 0U);
  EXPECT_EQ(stats.waiting_lanes, 0U);
  EXPECT_EQ(stats.buffered_messages, 1U);
  EXPECT_EQ(stats.in_flight, 0U);
  EXPECT_EQ(harness.dispatcher.epoch(0), 0U);
  harness.advance_to(harness.now_ms + 100);
  EXPECT_EQ(harness.take().size(), 1U);
  harness.dispatcher.release(0);  // a second time: nothing
  harness.dispatcher.release(77);
  EXPECT_TRUE(harness.dispatcher.drained(77));
}

TEST(Assignment, AnAssignedPartitionThatIsAssignedAgainStartsAfresh) {
  Harness harness;
  const uint64_t first = harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}});
  const auto taken = harness.take(2);
  harness.settle(taken[0], Outcome::kRetried, 10);
  harness.dispatcher.set_metadata_full(0, true);
  harness.dispatcher.begin_drain(0);
  const uint64_t second = harness.assign(0, GapMap::from_gaps(1, 2, Offsets{1}));
  EXPECT_GT(second, first);
  EXPECT_EQ(harness.dispatcher.stats().buffered_messages, 0U);
  EXPECT_EQ(harness.dispatcher.stats().partitions.size(), 1U);
  harness.settle(taken[1]);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 1U);
  harness.put({{1, "b"}, {2, "c"}, {3, "d"}});
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{1, 3}));
}

// --- Rewinds ---------------------------------------------------------------------------------------------------------

TEST(Rewind, InTheMiddleOfABatchDropsWhatLiesAboveAndKeepsWhatLiesBelow) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "a"}});
  const auto taken = harness.take();  // 0 and 3 of a, 1, 2
  EXPECT_EQ(harness.put({{4, "d"}, {2, "c", "again"}, {3, "e"}}), 3U);
  EXPECT_EQ(harness.dispatcher.stats().rewinds, 1U);
  EXPECT_EQ(harness.dispatcher.in_flight(), 2U) << "0 and 1 are still valid";
  harness.settle(taken[1]);  // 3, of the old log
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 1U);
  const auto again = harness.take();
  EXPECT_EQ(offsets_of(again), (Offsets{2, 3}));
  EXPECT_EQ(again[0].value, "again");
  harness.settle(taken[0]);
  harness.settle(taken[2]);
  EXPECT_EQ(harness.committable(), 2);
  harness.settle_all(again);
  EXPECT_EQ(harness.committable(), 4);
}

TEST(Rewind, DropsLanesThatWaitAndLanesThatAreHeld) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}});
  const auto taken = harness.take(2);
  harness.settle(taken[1], Outcome::kRetried, 10);
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_TRUE(harness.take().empty());  // c is held
  harness.put({{1, "x"}});
  EXPECT_EQ(harness.dispatcher.stats().waiting_lanes, 0U);
  EXPECT_EQ(harness.dispatcher.stats().lanes, 2U);
  harness.dispatcher.set_metadata_full(0, false);
  harness.advance_to(harness.now_ms + 10);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{1});
  harness.settle(taken[0]);
  EXPECT_EQ(harness.committable(), 1);
}

TEST(Rewind, BelowTheCommittableOffsetTakesItBack) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 10, std::nullopt));
  harness.settle_all(harness.take());
  harness.dispatcher.changed();
  EXPECT_EQ(harness.put(sent_range(4, 6, std::nullopt)), 2U);
  EXPECT_EQ(harness.committable(), 4);
  EXPECT_EQ(harness.dispatcher.changed().size(), 1U);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{4, 5}));
}

TEST(Rewind, TheWindowIsCountedFromTheOffsetThatCameBack) {
  Harness harness(options_with([](DispatcherOptions& options) { options.max_window = 64; }));
  harness.assign();
  EXPECT_EQ(harness.put({{1'000'000, "a"}, {10, "b"}, {11, "c"}, {1'000'001, "d"}}), 3U);
  EXPECT_TRUE(harness.published);
  EXPECT_EQ(harness.committable(), 10);
}

// --- Full metadata ---------------------------------------------------------------------------------------------------

TEST(MetadataFull, StartsOnlyWhatFillsGaps) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "a"}, {4, "d"}});
  const auto taken = harness.take(4);  // 0 and 3 of a, 1, 2
  harness.settle(taken[3]);            // 2: the highest settled
  harness.settle(taken[0], Outcome::kReleased);
  harness.settle(taken[2], Outcome::kReleased);
  harness.dispatcher.set_metadata_full(0, true);
  const auto filling = harness.take();
  EXPECT_EQ(offsets_of(filling), (Offsets{0, 1})) << "not 3 and not 4";
  harness.settle_all(filling);
  EXPECT_TRUE(harness.take().empty());
  EXPECT_EQ(harness.committable(), 3);
  harness.dispatcher.set_metadata_full(0, false);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{3, 4}));
}

TEST(MetadataFull, TheLaneOfTheCommittableOffsetGoesFirst) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 6, std::nullopt));
  const auto taken = harness.take();
  harness.settle(taken[5]);
  for (size_t i = 5; i-- > 0;) harness.settle(taken[i], Outcome::kReleased);  // ready in the order 4, 3, 2, 1, 0
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_EQ(offsets_of(harness.take(1)), Offsets{0});
}

// P6. Otherwise a partition would stand still whose remaining gaps are all in lanes that were held earlier: nothing
// runs, so nothing changes, so nothing is committed that could say that there is room.
TEST(MetadataFull, AHeldLaneOpensOnceItFillsAGap) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}});
  const auto taken = harness.take(1);
  harness.put({{3, "d"}});
  auto late = harness.take(1);
  ASSERT_EQ(offsets_of(late), Offsets{1});
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_TRUE(harness.take().empty());  // c and d are held
  harness.settle(taken[0]);
  EXPECT_TRUE(harness.take().empty());
  const int rings = harness.rings;
  // A later message is settled: a hole or one that was out already.
  harness.dispatcher.reach_end(0, harness.dispatcher.epoch(0), 10);
  EXPECT_EQ(harness.rings, rings + 1);
  const auto opened = harness.take();
  EXPECT_EQ(offsets_of(opened), (Offsets{2, 3}));
  harness.settle_all(opened);
  harness.settle_all(late);
  EXPECT_EQ(harness.committable(), 10);
}

TEST(MetadataFull, AHeldLaneOpensWhenALaterMessageSettles) {
  Harness harness(options_with([](DispatcherOptions& options) { options.concurrency = 3; }));
  harness.assign();
  harness.put(sent_range(0, 6, std::nullopt));
  const auto taken = harness.take();  // 0, 1, 2
  harness.settle(taken[0]);
  harness.settle(taken[1]);
  const auto more = harness.take();  // 3, 4
  ASSERT_EQ(offsets_of(more), (Offsets{3, 4}));
  harness.settle(more[0], Outcome::kReleased);
  harness.settle(taken[2], Outcome::kReleased);
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_TRUE(harness.take().empty());  // 5, 3 and 2 are held: 1 is the highest settled
  harness.settle(more[1]);              // 4
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{2, 3}));
}

TEST(MetadataFull, AMessageThatArrivesBehindAHoleOpensWhatTheHoleOvertook) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_TRUE(harness.take().empty());
  harness.put({{5, "c"}});  // 2 to 4 are holes, so 4 is the highest settled
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{0, 1}));
}

TEST(MetadataFull, OnlyItsPartitionStops) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}}, 0);
  harness.put({{0, "a"}}, 1);
  harness.dispatcher.set_metadata_full(0, true);
  harness.dispatcher.set_metadata_full(9, true);
  const auto taken = harness.take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].partition, 1U);
  EXPECT_TRUE(harness.stats_of(0).metadata_full);
}

TEST(MetadataFull, HeldLanesAreForgottenWithTheirPartition) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 4, std::nullopt));
  harness.dispatcher.set_metadata_full(0, true);
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.begin_drain(0);
  harness.dispatcher.set_metadata_full(0, false);
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.release(0);
  EXPECT_EQ(harness.dispatcher.stats().lanes, 0U);
  harness.assign();
  harness.put(sent_range(0, 2, std::nullopt));
  EXPECT_EQ(harness.take().size(), 2U);
}

// --- Bytes -----------------------------------------------------------------------------------------------------------

TEST(Bytes, BudgetsCountWhatIsBufferedExactly) {
  Harness harness;
  harness.assign();
  harness.put({{0, "abc", "12345", "hh"}, {1, std::nullopt, std::nullopt}, {2, "", ""}});
  EXPECT_EQ(harness.dispatcher.stats().buffered_bytes, 10U);
  harness.settle_all(harness.take());
  EXPECT_EQ(harness.dispatcher.stats().buffered_bytes, 0U);
  EXPECT_EQ(harness.dispatcher.stats().buffered_messages, 0U);
}

TEST(Bytes, AStalledMessageDoesNotPinItsSlab) {
  const DispatcherOptions options =
      options_with([](DispatcherOptions& changed) { changed.max_buffered_bytes = 100'000; });
  Harness harness(options);
  harness.assign();
  // One in fifty stalls for good; what it says must survive every move.
  std::vector<Taken> stalled;
  Offset at = 0;
  while (stalled.size() < 150) {
    std::vector<Sent> sent;
    for (int i = 0; i < 50; ++i, ++at)
      sent.push_back({at, std::nullopt, "value " + std::to_string(at) + std::string(500, '.')});
    at -= static_cast<Offset>(sent.size() - harness.put(sent));
    auto taken = harness.take();
    if (taken.empty()) break;
    stalled.push_back(taken.back());
    taken.pop_back();
    harness.settle_all(taken);
  }
  const DispatcherStats stats = harness.dispatcher.stats();
  EXPECT_GT(stats.compactions, 0U);
  EXPECT_LE(stats.slab_bytes, 2 * options.max_buffered_bytes + size_t{6} * 16'384);
  EXPECT_EQ(stats.buffered_messages, stalled.size());
  harness.settle_all(stalled, Outcome::kReleased);
  const auto again = harness.take();
  ASSERT_EQ(again.size(), stalled.size());
  for (const Taken& message : again) {
    EXPECT_EQ(message.value, "value " + std::to_string(message.offset) + std::string(500, '.'));
  }
  harness.settle_all(again);
  EXPECT_EQ(harness.dispatcher.stats().buffered_bytes, 0U);
}

TEST(Bytes, EmptyMessagesTakeNoBytesAndStillCount) {
  Harness harness(options_with([](DispatcherOptions& options) {
    options.max_buffered_messages = 1'000;
    options.max_buffered_bytes = 1;
    options.concurrency = 100'000;
  }));
  harness.assign();
  Offset at = 0;
  size_t highest = 0;
  for (int round = 0; round < 2'000; ++round) {
    at += static_cast<Offset>(harness.put(sent_range(at, at + 10, std::nullopt, "")));
    const auto taken = harness.take();
    for (size_t i = 0; i < taken.size(); ++i) {
      if (taken[i].offset % 100 != 0) harness.settle(taken[i]);
    }
    highest = std::max(highest, harness.dispatcher.stats().slab_bytes);
  }
  EXPECT_LE(harness.dispatcher.stats().buffered_messages, 1'000U);
  EXPECT_LE(highest, size_t{12} * 16'384);
}

}  // namespace
}  // namespace laneway
