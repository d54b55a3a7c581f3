/*
 * Why the promises hold in traces of any length: an invariant that the start has, that every step keeps, and that
 * implies each promise. It is also the shortest description of what the code's state means.
 */
module invariant
open partition
open promises

// Leases whose handlers run or may still start.
fun viable: set Lease { { l: Taken - Completed - Failed | no l.^previous & Failed } }

pred tracker {
  all p: Process {
    // What the tracker calls settled is done, or not a message.
    p.settled & messages in Done and end not in p.settled
    // Below the position there are settled offsets and buffered messages, nothing else; no position: nothing.
    p.buffer[Slot] in messages and p.buffer[Slot] + (p.settled & p.position.prevs) = p.position.prevs
    no p.buffer[Slot] & p.settled
    no p.position implies no p.settled
    all disj s, t: Slot | no p.buffer[s] & p.buffer[t]
    // What was recovered is known.
    p.assigned.recovered in p.settled
    // What is staged for this epoch is what comes next.
    some p.staged iff some p.staged_for
    some p.staged and p.staged_for = p.assigned implies p.staged = arriving[p]
    p.staged_for in Used
  }
}

pred assignments {
  Used in Broker.generation + Broker.generation.prevs and recovered.Offset in Used
  all p: Process {
    p in Alive implies one p.joined
    p.joined in Broker.generation + Broker.generation.prevs
    owner.p & Used in p.joined + p.joined.prevs
    some p.assigned implies {
      p in Alive and p.joined in p.assigned + p.assigned.nexts
      let held = span[p.assigned, p.joined] | held.owner = p and held in Used
    }
    no p.assigned implies no p.position and no p.settled and no p.buffer and no p.leased
    p.staged_for.owner in p
  }
}

pred leases {
  no Running & Completed and no Running & Failed and no Completed & Failed
  Running + Completed + Failed in Taken and Completed.offset in Done
  Taken.epoch in Used and Taken.offset in messages
  all l: Taken {
    l.previous in Taken and l.previous.epoch in l.epoch
    l.previous.offset.lane in l.offset.lane and l.previous.offset in l.offset.prevs
    // What is not done before it in its lane runs before it.
    l.offset.lane.~lane & l.offset.prevs in Done + l.^previous.offset
    l in Running + Completed implies l.^previous in Completed
    l.offset not in l.epoch.recovered
  }
}

// In an epoch, what may run of a lane is one run.
pred runs {
  all disj l, m: viable | l.epoch = m.epoch and l.offset.lane = m.offset.lane implies one_before_the_other[l, m]
  all p: Process {
    all s: Slot, l: p.leased[s] | l in Taken and l.slot = s and l.offset = p.buffer[s] and l.epoch = p.assigned
    all l: viable | l.epoch = p.assigned implies p.leased[l.slot] = l
    all disj l, m: p.leased[Slot] | l.offset.lane = m.offset.lane implies one_before_the_other[l, m]
  }
}
pred one_before_the_other [l, m: Lease] { l in m.^previous or m in l.^previous }

pred commits {
  at_least_once
  Broker.map in Broker.committed.nexts - end
  all p: Process {
    some p.request iff some p.request_offset
    p.request_map in p.request_offset.nexts - end
    p.request.owner in p and p.request in Used
    p.request_offset.prevs & messages in Done and p.request_map & messages in Done
    // Commits only move on: within an epoch, while its process keeps the partition, and within a generation.
    some p.assigned and p.request in p.assigned + p.assigned.nexts
      implies p.request_offset.prevs in p.settled & p.position.prevs
    some p.assigned and span[p.assigned, Broker.generation].owner = p
      implies Broker.committed.prevs in p.settled & p.position.prevs
    p.request = Broker.generation implies Broker.committed.prevs in p.request_offset.prevs
  }
}

pred invariant { no Broken and tracker and assignments and leases and runs and commits }

check each_step_keeps_leases { invariant and step implies after leases }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0
check each_step_keeps_runs { invariant and step implies after runs }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0
check the_start_has_it { start and no Broken implies invariant }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 1..1 steps expect 0
check each_step_keeps_the_tracker { invariant and step implies after tracker }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0
check each_step_keeps_assignments { invariant and step implies after assignments }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0
check each_step_keeps_commits { invariant and step implies after commits }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0

check P1_at_least_once { invariant implies at_least_once }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 1..1 steps expect 0
check P2_one_at_a_time { invariant implies one_at_a_time }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 1..1 steps expect 0
check P2_in_order { invariant implies in_order }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 1..1 steps expect 0
check P3_nothing_twice { invariant implies nothing_twice }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 1..1 steps expect 0
check P3_P4_commits_never_go_back { invariant and step implies never_back }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0
check P4_stale_settlements_change_nothing { invariant and step implies fenced }
  for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 0

// There are such states in which everything goes on at once.
run the_invariant_allows_much {
  invariant and step and not nothing
  some Broker.map and some staged and some Running and some Completed and some Failed and some unstarted
  some p: Process | some p.request_map and some p.leased and p.staged_for != p.assigned and p.joined != p.assigned
} for 4 but 5 Offset, 3 Lane, 3 Process, 3 Generation, 3 Slot, 2..2 steps expect 1
