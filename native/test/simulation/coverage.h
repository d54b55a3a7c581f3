// What happened in the simulated histories: a count per kind of event, printed at the end of a run. A promise that is
// kept in a million histories says nothing about what none of them contained, so a run of many seeds in which a kind
// never happened fails.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace laneway::simulation {

enum class Event : uint8_t {
  // Of the log.
  kProduced,
  kNullKey,
  kTombstone,
  kLoneMessage,
  kLateStart,
  kNearLargestOffset,
  kMarker,
  kTailMarker,
  kCompactedBefore,
  kCompactedTail,
  kJump,
  kCompaction,
  kRetention,
  kTruncation,
  kTruncationMidBatch,
  // Of the group and the process.
  kAssignedFresh,
  kAssignedWithOffset,
  kAssignedWithMap,
  kReassigned,
  kEagerRebalance,
  kCooperativeRebalance,
  kReconciliation,
  kReleased,
  kReleasedInFlight,
  kLost,
  kAllLost,
  kProgressElsewhere,
  kGroupReset,
  kCrash,
  kCrashMidBatch,
  kClose,
  // Of intake.
  kBatch,
  kBatchOfEndedEpoch,
  kOpenOfEndedEpoch,
  kRefusedForBudget,
  kRefusedForWindow,
  kRewind,
  kSkippedAsSettled,
  kHole,
  kEndReached,
  kEndAboveWindow,
  kSlabCompaction,
  // Of engines.
  kStarted,
  kRun,
  kLaterAttempt,
  kFillsGapOfFullMap,
  kDoorbell,
  kEngineDied,
  kCompleted,
  kDropped,
  kRetried,
  kGivenBack,
  kLeftRunBehind,
  kTimerFired,
  kZombieSettlement,
  kDoubleSettlement,
  kUnknownSettlement,
  // Of commits.
  kCommitted,
  kCommittedMap,
  kAnsweredLate,
  kCommitFenced,
  kCommitFailed,
  kCommitAnswerLost,
  kMapCut,
  kMapFull,
  kMapRefused,
  kMapCorrupt,
  kMapForeign,
  kMapOfOtherOffset,
  kMapIgnored,
  kCount,
};

constexpr size_t kEvents = static_cast<size_t>(Event::kCount);

// In the order of Event.
constexpr std::array<const char*, kEvents> kEventNames = {
    "messages produced",
    "messages without a key",
    "tombstones",
    "messages alone in a slab",
    "logs that start above 0",
    "logs next to the largest offset",
    "transaction markers",
    "markers at the tail",
    "compacted away before it was read",
    "tail compacted away",
    "jumps of more than 2^32",
    "compactions",
    "heads deleted by retention",
    "truncations",
    "truncations in the middle of a batch",
    "assignments without a commit",
    "assignments with an offset alone",
    "assignments with a gap map",
    "assignments of what was assigned",
    "eager rebalances",
    "cooperative rebalances",
    "KIP-848 reconciliations",
    "partitions revoked",
    "partitions revoked with leases out",
    "partitions lost",
    "all partitions lost at once",
    "progress by another member",
    "resets of the group to a lower offset",
    "crashes",
    "crashes in the middle of a batch",
    "orderly closes",
    "batches published",
    "batches of an ended epoch",
    "batches refused for an ended epoch",
    "partitions refused for a budget",
    "partitions refused for the window",
    "rewinds of the dispatcher",
    "messages skipped as settled",
    "holes passed",
    "ends of partition reached",
    "ends above the window",
    "slabs compacted",
    "messages started",
    "runs of several messages",
    "later attempts",
    "starts under a full gap map",
    "doorbells",
    "deaths of an engine",
    "completed",
    "dropped",
    "retried",
    "given back",
    "given back with the rest of a run",
    "lanes opened by a timer",
    "settlements by zombies",
    "settlements twice",
    "settlements that never were",
    "commits stored",
    "commits with a gap map",
    "commits answered later",
    "commits fenced by a rebalance",
    "commits failed",
    "commits whose answer was lost",
    "gap maps cut from the top",
    "gap maps near the limit",
    "gap maps refused by the broker",
    "gap maps read damaged",
    "metadata of others read",
    "gap maps read at another offset",
    "gap maps ignored by another reader",
};

class Coverage {
 public:
  void add(Event event, uint64_t count = 1) { counts_[static_cast<size_t>(event)] += count; }
  void add(const Coverage& other) {
    for (size_t i = 0; i < kEvents; ++i) counts_[i] += other.counts_[i];
    steps_ += other.steps_;
  }
  void add_step() { ++steps_; }
  uint64_t steps() const { return steps_; }
  const std::array<uint64_t, kEvents>& counts() const { return counts_; }

 private:
  std::array<uint64_t, kEvents> counts_{};
  uint64_t steps_ = 0;
};

}  // namespace laneway::simulation
