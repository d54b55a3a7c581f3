// What may become of a message besides being completed: dead letters, blocked lanes, poison keys, lingering batches,
// outputs that wait for a transaction, and the answer to "why does nothing move". Titles are the promises.
#include <gtest/gtest.h>

#include "core/dispatcher.h"
#include "test/support/harness.h"

namespace laneway {
namespace {

using Offsets = std::vector<Offset>;

bool withhold(Harness& harness, const Taken& message) {
  return harness.dispatcher.withhold(message.lease, message.slot, harness.now_ms);
}

void answer(Harness& harness, const Taken& message, Outcome outcome) {
  harness.dispatcher.settle_withheld({message.lease, message.slot, 0, outcome}, harness.now_ms);
}

// --- Dead letters ----------------------------------------------------------------------------------------------------

TEST(DeadLetter, IsSettledOnlyWhenItIsAcknowledgedAndItsLaneStaysClosedUntilThen) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}});
  const auto taken = harness.take();
  ASSERT_TRUE(withhold(harness, taken[0]));
  harness.settle(taken[2]);
  EXPECT_EQ(harness.committable(), 0);
  EXPECT_TRUE(harness.take().empty());
  EXPECT_EQ(harness.dispatcher.stats().withheld, 1U);
  EXPECT_FALSE(harness.dispatcher.drained(0)) << "a rebalance waits for the letter";
  answer(harness, taken[0], Outcome::kDeadLettered);
  EXPECT_EQ(harness.committable(), 1);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{1});
}

TEST(DeadLetter, TakesNoPlaceAmongTheLanesThatAreExecuted) {
  DispatcherOptions options;
  options.concurrency = 1;
  Harness harness(options);
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  const auto taken = harness.take();
  ASSERT_EQ(offsets_of(taken), Offsets{0});
  withhold(harness, taken[0]);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{1});
}

TEST(DeadLetter, CannotBeSettledByTheEngineThatGaveItAway) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  const auto taken = harness.take();
  withhold(harness, taken[0]);
  harness.settle(taken[0]);
  EXPECT_EQ(harness.committable(), 0);
  EXPECT_EQ(harness.dispatcher.stats().stale_settlements, 1U);
  EXPECT_FALSE(withhold(harness, taken[0])) << "nor given away twice";
}

TEST(DeadLetter, OfAnEarlierEpochSettlesNothing) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  const auto taken = harness.take();
  withhold(harness, taken[0]);
  harness.dispatcher.release(0);
  EXPECT_EQ(harness.dispatcher.stats().withheld, 0U);
  harness.assign();
  harness.put({{0, "a"}});
  answer(harness, taken[0], Outcome::kDeadLettered);
  EXPECT_EQ(harness.committable(), 0);
  EXPECT_FALSE(harness.dispatcher.read_withheld(taken[0].lease, taken[0].slot, [](const MessageView&) { FAIL(); }));
}

TEST(DeadLetter, ThatIsGivenUpRunsAgain) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}});
  const auto taken = harness.take();
  withhold(harness, taken[0]);
  answer(harness, taken[0], Outcome::kReleased);
  const auto again = harness.take();
  EXPECT_EQ(offsets_of(again), Offsets{0});
  EXPECT_EQ(again[0].attempt, 2U);
}

TEST(DeadLetter, IsReadByteForByte) {
  Harness harness;
  harness.assign();
  harness.put({{0, "key", "value", "headers"}, {1, std::nullopt, std::nullopt}, {2, "", ""}});
  for (const Taken& message : harness.take()) {
    withhold(harness, message);
    const bool read = harness.dispatcher.read_withheld(message.lease, message.slot, [&](const MessageView& view) {
      const auto text = [](auto bytes) {
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      };
      EXPECT_EQ(view.offset, message.offset);
      EXPECT_EQ(view.timestamp_ms, message.timestamp_ms);
      EXPECT_EQ(view.key.has_value(), message.key.has_value());
      EXPECT_EQ(view.value.has_value(), message.value.has_value());
      if (view.key) {
        EXPECT_EQ(text(*view.key), *message.key);
      }
      if (view.value) {
        EXPECT_EQ(text(*view.value), *message.value);
      }
      EXPECT_EQ(text(view.headers), message.headers);
    });
    EXPECT_TRUE(read);
  }
}

TEST(DeadLetter, InTheMiddleOfABatchKeepsTheLaneClosedForWhatIsRetriedBeforeIt) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 4, "a"));
  const auto taken = harness.take();
  // A batch's outcomes come from its end, so that each counts as an attempt of its own.
  harness.settle(taken[3], Outcome::kRetried, 0);
  withhold(harness, taken[2]);
  harness.settle(taken[1], Outcome::kRetried, 0);
  harness.settle(taken[0]);
  harness.advance_to(harness.now_ms + 10);
  EXPECT_TRUE(harness.take().empty());
  answer(harness, taken[2], Outcome::kDeadLettered);
  harness.advance_to(harness.now_ms + 10);
  const auto again = harness.take();
  EXPECT_EQ(offsets_of(again), (Offsets{1, 3}));
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_EQ(again[1].attempt, 2U);
}

TEST(DeadLetter, CutOffByATruncatedLogOpensItsLane) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 3, "a"));
  const auto taken = harness.take();
  withhold(harness, taken[2]);
  harness.settle(taken[1], Outcome::kReleased);
  harness.settle(taken[0], Outcome::kReleased);
  EXPECT_TRUE(harness.take().empty());
  harness.put({{2, "b"}});
  EXPECT_EQ(harness.dispatcher.stats().withheld, 0U);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{0, 1, 2}));
}

// --- Blocked lanes ---------------------------------------------------------------------------------------------------

TEST(Blocked, LaneStaysClosedAndOthersRun) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}});
  const auto taken = harness.take(1);
  harness.settle(taken[0], Outcome::kBlocked);
  harness.advance_to(harness.now_ms + 1'000'000);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{2});
  EXPECT_EQ(harness.dispatcher.stats().blocked_lanes, 1U);
  EXPECT_TRUE(harness.dispatcher.drained(0) || harness.dispatcher.in_flight() == 1U);
  EXPECT_EQ(harness.committable(), 0);
  harness.dispatcher.release(0);
  EXPECT_EQ(harness.dispatcher.stats().blocked_lanes, 0U);
}

// --- Poison keys -----------------------------------------------------------------------------------------------------

DispatcherOptions poison(bool is_taken) {
  DispatcherOptions options;
  options.poison_after = 3;
  options.poison_cool_down_ms = 1'000;
  options.poison_is_taken = is_taken;
  return options;
}

void fail_next(Harness& harness) {
  const auto taken = harness.take(1);
  ASSERT_EQ(taken.size(), 1U);
  harness.settle(taken[0], Outcome::kRetried, 0);
  harness.dispatcher.advance(harness.now_ms);
}

TEST(PoisonKey, IsParkedAfterFailuresInARowAndThenHasOneAttempt) {
  Harness harness(poison(false));
  harness.assign();
  harness.put({{0, "a"}, {1, "a"}});
  for (int i = 0; i < 3; ++i) fail_next(harness);
  EXPECT_TRUE(harness.take().empty());
  harness.advance_to(harness.now_ms + 999);
  EXPECT_TRUE(harness.take().empty());
  harness.advance_to(harness.now_ms + 1);
  fail_next(harness);
  EXPECT_TRUE(harness.take().empty()) << "one failure is enough now";
  harness.advance_to(harness.now_ms + 1'000);
  const auto taken = harness.take(1);
  EXPECT_EQ(taken[0].attempt, 5U);
  harness.settle(taken[0]);
  EXPECT_EQ(harness.dispatcher.stats().failing_keys, 0U);
  EXPECT_EQ(harness.dispatcher.stats().poisonings, 2U);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{1});
}

TEST(PoisonKey, IsRememberedWhenItsLaneRanEmpty) {
  Harness harness(poison(false));
  harness.assign();
  for (Offset offset = 0; offset < 3; ++offset) {
    harness.put({{offset, "a"}});
    const auto taken = harness.take();
    withhold(harness, taken[0]);
    answer(harness, taken[0], Outcome::kDeadLettered);
  }
  harness.put({{3, "a"}, {4, "b"}});
  EXPECT_EQ(offsets_of(harness.take()), Offsets{4});
  harness.advance_to(harness.now_ms + 1'000);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{3});
}

TEST(PoisonKey, CanBeTakenNotToBeRunWhichCountsAsNoFailure) {
  Harness harness(poison(true));
  harness.assign();
  harness.put(sent_range(0, 2, "a"));
  for (int i = 0; i < 3; ++i) fail_next(harness);
  auto taken = harness.take(1);
  ASSERT_EQ(offsets_of(taken), Offsets{0});
  EXPECT_EQ(taken[0].attempt, 0U);
  harness.now_ms += 900;
  withhold(harness, taken[0]);
  answer(harness, taken[0], Outcome::kDeadLettered);
  harness.advance_to(harness.now_ms + 100);
  taken = harness.take();
  ASSERT_EQ(offsets_of(taken), Offsets{1});
  EXPECT_EQ(taken[0].attempt, 1U) << "the cool-down counts from the last failure";
}

TEST(PoisonKey, ASuccessBetweenFailuresForgetsThem) {
  Harness harness(poison(false));
  harness.assign();
  harness.put(sent_range(0, 3, "a"));
  for (int round = 0; round < 3; ++round) {
    fail_next(harness);
    fail_next(harness);
    harness.settle_all(harness.take(1));
  }
  EXPECT_EQ(harness.committable(), 3);
  EXPECT_EQ(harness.dispatcher.stats().poisonings, 0U);
}

TEST(PoisonKey, KeysThatFailAreForgottenOneByOneAtTheBound) {
  KeyFailures failures(2, 1'000);
  for (uint64_t key = 0; key < 100'000; ++key) failures.failed(key, 0);
  EXPECT_EQ(failures.count(), 65'536U);
}

// --- First failures --------------------------------------------------------------------------------------------------

TEST(FirstFailure, IsToldWithEveryLaterAttempt) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  const auto read = [&] {
    const size_t count = harness.dispatcher.take(harness.taker, 10, 1'000);
    std::vector<std::byte> bytes(harness.taker.batch_bytes());
    harness.taker.write(bytes.data(), 1'000'000);
    harness.dispatcher.end_copy();
    const BatchView batch(bytes.data());
    std::vector<int64_t> times;
    for (size_t i = 0; i < count; ++i) times.push_back(batch.first_failure_ms(i));
    const Settlement settlement{batch.lease(0), batch.slot(0), 5, Outcome::kRetried};
    harness.dispatcher.settle({&settlement, 1}, harness.now_ms);
    return times;
  };
  harness.now_ms = 2'000;
  EXPECT_EQ(read(), (std::vector<int64_t>{-1, -1}));
  harness.advance_to(2'500);
  EXPECT_EQ(read(), (std::vector<int64_t>{1'002'000}));
  harness.advance_to(3'000);
  EXPECT_EQ(read(), (std::vector<int64_t>{1'002'000}));
}

// --- Lingering batches -----------------------------------------------------------------------------------------------

TEST(Linger, ALaneWaitsForAWholeRunOrForItsTime) {
  DispatcherOptions options;
  options.max_run_length = 3;
  options.linger_ms = 50;
  Harness harness(options);
  harness.assign();
  harness.advance_to(1'000);
  harness.put({{0, "a"}, {1, "a"}, {2, "b"}});
  EXPECT_TRUE(harness.take().empty());
  harness.put({{3, "a"}, {4, "a"}});
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{0, 1, 3})) << "full";
  harness.advance_to(1'049);
  EXPECT_TRUE(harness.take().empty());
  harness.advance_to(1'050);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{2}) << "its time has come";
}

TEST(Linger, NeverShortensARetry) {
  DispatcherOptions options;
  options.max_run_length = 2;
  options.linger_ms = 10;
  Harness harness(options);
  harness.assign();
  harness.advance_to(1'000);
  harness.put({{0, "a"}, {1, "a"}});
  const auto taken = harness.take();
  harness.settle(taken[0], Outcome::kRetried, 500);
  harness.put({{2, "a"}, {3, "a"}});
  harness.advance_to(1'499);
  EXPECT_TRUE(harness.take().empty());
  harness.advance_to(1'500);
  EXPECT_EQ(offsets_of(harness.take()), (Offsets{0, 1}));
}

TEST(Run, EndsAtItsBytes) {
  DispatcherOptions options;
  options.max_run_bytes = 10;
  Harness harness(options);
  harness.assign();
  harness.put({{0, "a", "1234"}, {1, "a", "1234"}, {2, "a", "1234"}, {3, "b", "12345678901234567890"}});
  const auto taken = harness.take();
  EXPECT_EQ(offsets_of(taken), (Offsets{0, 1, 3}));
}

// --- Outputs ---------------------------------------------------------------------------------------------------------

class Number final : public Output {
 public:
  explicit Number(int number) : value(number) {}
  size_t size() const override { return 10; }
  const int value;
};

bool hold(Harness& harness, const Taken& message, int value) {
  return harness.dispatcher.hold_output(message.lease, message.slot, std::make_unique<Number>(value));
}

std::vector<int> numbers(const std::vector<CommitSnapshot>& snapshots) {
  std::vector<int> numbers;
  for (const CommitSnapshot& snapshot : snapshots) {
    for (const auto& settled : snapshot.outputs) {
      numbers.push_back(dynamic_cast<const Number&>(*settled.output).value);
    }
  }
  return numbers;
}

TEST(Outputs, ComeOutWithTheSnapshotThatSettlesTheirMessage) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}});
  const auto taken = harness.take();
  hold(harness, taken[0], 1);
  hold(harness, taken[1], 2);
  hold(harness, taken[1], 3);
  harness.settle(taken[1]);
  auto first = harness.dispatcher.changed();
  EXPECT_EQ(numbers(first), (std::vector{2, 3}));
  EXPECT_TRUE(first[0].map.is_settled(1));
  EXPECT_FALSE(first[0].map.is_settled(0));
  harness.settle(taken[0]);
  EXPECT_EQ(numbers(harness.dispatcher.changed()), std::vector{1});
  harness.settle(taken[2]);
  EXPECT_TRUE(numbers(harness.dispatcher.changed()).empty());
}

TEST(Outputs, OfAFailedAttemptAreForgotten) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "d"}});
  const auto taken = harness.take();
  for (int i = 0; i < 4; ++i) hold(harness, taken[static_cast<size_t>(i)], i);
  harness.settle(taken[0], Outcome::kRetried);
  harness.settle(taken[1], Outcome::kDropped);
  withhold(harness, taken[2]);
  answer(harness, taken[2], Outcome::kDeadLettered);
  harness.settle(taken[3], Outcome::kReleased);
  EXPECT_TRUE(numbers(harness.dispatcher.changed()).empty());
  EXPECT_EQ(harness.dispatcher.stats().output_bytes, 0U);
}

TEST(Outputs, OfAnEarlierEpochAreForgotten) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  const auto taken = harness.take();
  hold(harness, taken[0], 1);
  hold(harness, taken[1], 2);
  harness.settle(taken[0]);
  harness.dispatcher.release(0);
  EXPECT_EQ(harness.dispatcher.stats().output_bytes, 0U);
  EXPECT_FALSE(hold(harness, taken[1], 3));
  harness.assign();
  EXPECT_TRUE(numbers(harness.dispatcher.changed()).empty());
}

TEST(Outputs, AreBoundedByNotTakingMoreAndTakingGoesOnWhenTheyAreGone) {
  DispatcherOptions options;
  options.max_output_bytes = 15;
  Harness harness(options);
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}});
  const auto taken = harness.take(2);
  hold(harness, taken[0], 1);
  hold(harness, taken[1], 2);
  harness.settle_all(taken);
  EXPECT_TRUE(harness.dispatcher.outputs_full());
  EXPECT_TRUE(harness.take().empty());
  EXPECT_EQ(numbers(harness.dispatcher.changed()), (std::vector{1, 2}));
  EXPECT_TRUE(harness.take().empty()) << "they are kept until their transaction has ended";
  const int rings = harness.rings;
  harness.dispatcher.forget_outputs(20);
  EXPECT_EQ(harness.rings, rings + 1);
  EXPECT_EQ(offsets_of(harness.take()), Offsets{2});
}

TEST(Outputs, ThatWaitForGapsNeverKeepTheGapsFromBeingFilled) {
  DispatcherOptions options;
  options.max_output_bytes = 15;
  Harness harness(options);
  harness.assign(0);
  harness.assign(1);
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "d"}}, 0);
  harness.put({{0, "e"}}, 1);
  const auto first = harness.take(1);
  ASSERT_EQ(first[0].partition, 0U);
  const auto rest = harness.take(3);
  harness.settle(first[0], Outcome::kReleased);
  for (const Taken& message : rest) {
    hold(harness, message, 1);
    harness.settle(message);
  }
  ASSERT_TRUE(harness.dispatcher.outputs_full());
  EXPECT_TRUE(harness.take().empty());
  harness.dispatcher.set_metadata_full(0, true);
  const auto gap = harness.take();
  EXPECT_EQ(offsets_of(gap), Offsets{0});
  EXPECT_EQ(gap[0].partition, 0U) << "the other partition waits for its turn";
  harness.dispatcher.set_metadata_full(0, false);
  harness.dispatcher.forget_outputs(30);
  EXPECT_EQ(harness.take().size(), 1U);
}

// --- Why nothing moves -----------------------------------------------------------------------------------------------

TEST(Standing, NamesTheMessageAtTheCommittableOffsetAndWhatItWaitsFor) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  harness.put({{10, "stuck"}, {11, "fine"}}, 0);
  harness.put({{5, std::nullopt}}, 1);
  harness.advance_to(2'000);
  auto taken = harness.take(1);
  ASSERT_EQ(offsets_of(taken), Offsets{10});
  auto standing = harness.dispatcher.standing(2'300, 5);
  ASSERT_EQ(standing.blocking.size(), 2U);
  EXPECT_EQ(standing.blocking[0].offset, 10);
  EXPECT_EQ(standing.blocking[0].key, "stuck");
  EXPECT_EQ(standing.blocking[0].state, LaneState::kExecuting);
  EXPECT_EQ(standing.blocking[0].attempt, 1U);
  EXPECT_EQ(standing.blocking[0].age_ms, 300);
  EXPECT_EQ(standing.blocking[0].failed_since_ms, -1);
  EXPECT_EQ(standing.blocking[1].partition, 1U);
  EXPECT_EQ(standing.blocking[1].key, std::nullopt);
  EXPECT_EQ(standing.blocking[1].state, LaneState::kReady);
  ASSERT_EQ(standing.oldest.size(), 1U);
  EXPECT_EQ(standing.oldest[0].offset, 10);
  harness.now_ms = 2'400;
  harness.settle(taken[0], Outcome::kRetried, 1'000);
  standing = harness.dispatcher.standing(2'500, 5);
  EXPECT_EQ(standing.blocking[0].state, LaneState::kWaiting);
  EXPECT_EQ(standing.blocking[0].attempt, 2U);
  EXPECT_EQ(standing.blocking[0].failed_since_ms, 100);
  EXPECT_TRUE(standing.oldest.empty());
}

TEST(Standing, NamesTheLongestRunningFirstAndNoMoreThanAsked) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}, {2, "c"}, {3, "d"}});
  for (int i = 0; i < 4; ++i) {
    harness.advance_to(harness.now_ms + 100);
    harness.take(1);
  }
  const Standing standing = harness.dispatcher.standing(harness.now_ms, 2);
  ASSERT_EQ(standing.oldest.size(), 2U);
  EXPECT_EQ(standing.oldest[0].offset, 0);
  EXPECT_EQ(standing.oldest[0].age_ms, 300);
  EXPECT_EQ(standing.oldest[1].offset, 1);
}

TEST(MetadataFull, CountsTheTimeSoSpent) {
  Harness harness;
  harness.assign();
  harness.put({{0, "a"}, {1, "b"}});
  harness.advance_to(2'000);
  harness.dispatcher.set_metadata_full(0, true);
  harness.advance_to(2'250);
  EXPECT_EQ(harness.stats_of(0).metadata_full_ms, 250);
  harness.dispatcher.set_metadata_full(0, false);
  harness.advance_to(3'000);
  EXPECT_EQ(harness.stats_of(0).metadata_full_ms, 250);
}

}  // namespace
}  // namespace laneway
