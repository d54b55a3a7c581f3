/*
 * Each rule broken by itself, and a promise that does not survive it: the checker must find a trace from the start.
 * The scopes are small ones in which there is one; traces may stand still, so that a length includes all shorter ones.
 * Where a counter-example is long, its first steps are given.
 */
module weakened
open partition
open promises

pred without [rule: Rule] { behaviour and Broken = rule }

// Commits the offset above the highest settled one.
check P1_rests_on_CommitsLowestUnsettled { without[CommitsLowestUnsettled] implies always at_least_once }
  for 1 but 3 Offset, 2 Lane, 2 Lease, 2 Slot, 9..9 steps expect 1

// Recovery starts above the gap map, as if it had no gaps.
check P1_rests_on_RestoresGaps {
  without[RestoresGaps] and (some p: Process | commits_a_gap[p]) implies always at_least_once
}
  for 1 but 3 Offset, 2 Lane, 2 Generation, 2 Lease, 2 Slot, 16..16 steps expect 1

// Recovery takes the offset and ignores the gap map.
check P3_rests_on_SkipsSettled {
  without[SkipsSettled] and (some p: Process | commits_a_gap[p]) implies always nothing_twice
}
  for 1 but 3 Offset, 2 Lane, 2 Generation, 2 Lease, 2 Slot, 17..17 steps expect 1

// Messages that were fetched for an earlier epoch are published in this one: what it has not seen looks like holes.
check P1_rests_on_FencesIntake { without[FencesIntake] implies always at_least_once }
  for 1 but 3 Offset, 2 Lane, 2 Generation, 2 Slot, 11..11 steps expect 1

// A settlement finds its message by slot alone, whatever its lease id: other messages use the slot by then.
check P1_rests_on_FencesSettlements { without[FencesSettlements] implies always at_least_once }
  for 1 but 3 Offset, 2 Lane, 2 Lease, 12..12 steps expect 1
check P2_rests_on_FencesSettlements { without[FencesSettlements] implies always one_at_a_time }
  for 1 but 2 Offset, 3 Lease, 12..12 steps expect 1
check P4_rests_on_FencesSettlements { without[FencesSettlements] implies always fenced }
  for 1 but 2 Offset, 2 Generation, 2 Lease, 12..12 steps expect 1

// A lane is leased again while a run of it is out.
check P2_rests_on_OneRunOfALane { without[OneRunOfALane] implies always one_at_a_time }
  for 1 but 3 Offset, 2 Lease, 2 Slot, 9..9 steps expect 1

// A message is leased while an earlier one of its lane waits: a retry would lose its place.
check P2_rests_on_HeadFirst { without[HeadFirst] implies always in_order }
  for 1 but 3 Offset, 2 Lease, 2 Slot, 8..8 steps expect 1

// An engine goes on with a run after a failure in it.
check P2_rests_on_StopsRunAtFailure { without[StopsRunAtFailure] implies always in_order }
  for 1 but 3 Offset, 2 Lease, 2 Slot, 9..9 steps expect 1

// A handler's timeout opens its lane before the handler has ended.
check P2_rests_on_WaitsForHandler { without[WaitsForHandler] implies always one_at_a_time }
  for 1 but 2 Offset, 2 Lease, 9..9 steps expect 1

// The broker takes the commit of an earlier generation: a zombie's, after another process has gone on.
check P4_rests_on_FencesCommits {
  without[FencesCommits] and (some p: Process { assign[p]; deliver[p]; send[p]; rebalance }) implies always never_back
}
  for 1 but 2 Offset, 2 Process, 2 Generation, 15..15 steps expect 1

// A process that was put out of the group joins again without forgetting the partition, and commits for it.
check P4_rests_on_ReleasesWhatIsLost {
  without[ReleasesWhatIsLost] and (some p: Process { assign[p]; deliver[p]; rebalance }) implies always never_back
}
  for 1 but 2 Offset, 2 Process, 2 Generation, 16..16 steps expect 1
