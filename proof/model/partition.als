/*
 * One partition of a consumer group: a broker, the processes of the group, and in each the tracker, the lanes, the
 * leases and the commits of laneway, with every way in which their steps may interleave: handlers of any speed,
 * retries, rebalances, crashes, processes that were put out of the group and do not know it yet, requests that come
 * late or never.
 *
 * One partition is enough: all that laneway's partitions share is budgets. There is no time here: whatever waits for a
 * clock (retries, the commit interval, timeouts) may happen at any moment. docs/model.md says which class or function
 * of the code each part is; promises.als says what must hold.
 *
 * Each rule of the code that a promise rests on can be broken by itself (`Broken`), so that the checker can show that
 * the promise does rest on it. A rule and its weakened variant stand together.
 */
module partition

open util/ordering[Offset] as log
open util/ordering[Generation] as generations

// --- What is fixed in a trace ----------------------------------------------------------------------------------------

sig Lane {}

// An offset with a lane is a message; a message without a key has a lane of its own. The last offset is the log's end;
// any other one without a lane is a hole.
sig Offset { lane: lone Lane }
fun end: one Offset { log/last }
fact { no end.lane }
fun messages: set Offset { lane.Lane }

// A generation of the group, which gives the partition to one process. It also names the epoch that begins with it.
sig Generation {
  owner: one Process,
  // For the promises only: what the commit says is settled that this epoch began with.
  var recovered: set Offset
}

// Both included; none when there is no first or no last one.
fun span [first, last: Generation]: set Generation { first.*(generations/next) & last.*(generations/prev) }

// Entries of a process's pool of messages. They are used again; settlements name them.
sig Slot {}

// A lease id, given once. `previous`: the message in front of it in the same run of a lane.
sig Lease { slot: one Slot, offset: one Offset, epoch: one Generation, previous: lone Lease }

abstract sig Rule {}
one sig CommitsLowestUnsettled, RestoresGaps, SkipsSettled, FencesIntake, FencesSettlements, OneRunOfALane, HeadFirst,
  StopsRunAtFailure, WaitsForHandler, FencesCommits, ReleasesWhatIsLost extends Rule {}
sig Broken in Rule {}

// --- What changes ----------------------------------------------------------------------------------------------------

one sig Broker {
  var generation: one Generation,
  // The committed offset, and what its metadata says is settled above it.
  var committed: lone Offset,
  var map: set Offset
}

sig Process {
  // The generation that its commits carry.
  var joined: lone Generation,
  // The epoch in which it has the partition; none: not assigned.
  var assigned: lone Generation,
  // The tracker: the next offset to come (none before the start), and what is settled.
  var position: lone Offset,
  var settled: set Offset,
  // Buffered messages, and the leases of those that are with an engine.
  var buffer: Slot -> lone Offset,
  var leased: Slot -> lone Lease,
  // What the ingest thread has in hand, and for which epoch. The log's last offset means that the end was seen.
  var staged: lone Offset,
  var staged_for: lone Generation,
  // A commit on its way to the broker: the generation that it carries, offset and gap map.
  var request: lone Generation,
  var request_offset: lone Offset,
  var request_map: set Offset
}
var sig Alive in Process {}

// The engines. A settlement of a lease that ended may arrive at any time, more than once, or never.
var sig Taken, Running, Completed, Failed in Lease {}

// For the promises only: messages that some handler has completed; generations whose epoch has begun.
var sig Done in Offset {}
var sig Used in Generation {}

pred start {
  Broker.generation = generations/first
  joined = Process -> generations/first
  Alive = Process
  no committed and no map and no assigned and no position and no settled and no buffer and no leased
  no staged and no staged_for and no request and no request_offset and no request_map
  no Taken and no Running and no Completed and no Failed and no Done and no Used and no recovered
}

// --- The group -------------------------------------------------------------------------------------------------------

// A new generation begins. Whoever does not know it yet goes on as before.
pred rebalance {
  some Broker.generation.next
  generation' = Broker -> Broker.generation.next
  same_members and same_commits and same_requests and same_partition and same_intake and same_engines and same_history
}

// A process learns of the newest generation. It has released the partition before, unless it keeps it: the generation
// before gave it the partition, too.
pred join [p: Process] {
  p in Alive and p.joined != Broker.generation
  let now = Broker.generation {
    no p.assigned or (p.joined.next = now and (p.joined + now).owner = p) or ReleasesWhatIsLost in Broken
    joined' = joined ++ p -> now
    Used' = Used + { g: now | some p.assigned and g.owner = p }
  }
  generation' = generation and Alive' = Alive and recovered' = recovered
  same_commits and same_requests and same_partition and same_intake and same_engines
}

// The partition is assigned: a new epoch, and the tracker as the committed offset and gap map say.
pred assign [p: Process] {
  p in Alive and no p.assigned and p.joined.owner = p and p.joined not in Used
  let base = (RestoresGaps in Broken and some Broker.map) => log/max[Broker.map].next else Broker.committed,
      known = SkipsSettled in Broken => none else Broker.map {
    assigned' = assigned + p -> p.joined
    position' = position + p -> base
    settled' = settled + p -> (base.prevs + known)
    recovered' = recovered + p.joined -> (Broker.committed.prevs + Broker.map)
    Used' = Used + p.joined
  }
  buffer' = buffer and leased' = leased
  same_group and same_commits and same_requests and same_intake and same_engines
}

// Revoked or lost. Whether leases were waited for and a commit was sent before is left open: both are other steps.
pred release [p: Process] {
  p in Alive and some p.assigned
  forgets[p]
  same_group and same_commits and same_requests and same_intake and same_engines and same_history
}

// The process and its handlers end; a commit that it has sent may still arrive.
pred crash [p: Process] {
  p in Alive
  Alive' = Alive - p
  Running' = Running - epoch.owner.p
  forgets[p]
  staged' = others[p] <: staged and staged_for' = others[p] <: staged_for
  generation' = generation and joined' = joined
  Taken' = Taken and Completed' = Completed and Failed' = Failed and Done' = Done
  same_commits and same_requests and same_history
}

pred forgets [p: Process] {
  assigned' = others[p] <: assigned and position' = others[p] <: position and settled' = others[p] <: settled
  buffer' = others[p] <: buffer and leased' = others[p] <: leased
}

// --- Intake ----------------------------------------------------------------------------------------------------------

// What comes next from the log: a message, or the news that the end is reached.
fun arriving [p: Process]: lone Offset { log/min[(messages + end) - p.position.prevs] }

pred can_fetch [p: Process] {
  p in Alive and some p.assigned and p.position != end and no p.staged
}

// The ingest thread copies what comes next, and holds no lock.
pred stage [p: Process] {
  can_fetch[p]
  staged' = staged + p -> arriving[p]
  staged_for' = staged_for + p -> p.assigned
  same_group and same_commits and same_requests and same_partition and same_engines and same_history
}

// What it has copied is published, or forgotten when it was for another epoch.
pred publish [p: Process] {
  p in Alive and some p.staged
  (p.staged_for = p.assigned or FencesIntake in Broken and some p.assigned and p.staged not in p.position.prevs)
    => arrives[p, p.staged] else same_partition
  staged' = others[p] <: staged and staged_for' = others[p] <: staged_for
  same_group and same_commits and same_requests and same_engines and same_history
}

// Both, with nothing in between.
pred deliver [p: Process] {
  can_fetch[p]
  arrives[p, arriving[p]]
  same_group and same_commits and same_requests and same_intake and same_engines and same_history
}

// What the log has skipped is settled; a message that recovery knows as settled is not buffered.
pred arrives [p: Process, o: Offset] {
  settled' = settled + p -> (o.prevs - p.position.prevs)
  position' = position ++ p -> (o = end => o else o.next)
  (o = end or o in p.settled) => buffer' = buffer
    else some s: Slot - p.buffer.Offset | buffer' = buffer + p -> s -> o
  assigned' = assigned and leased' = leased
}

// --- Engines ---------------------------------------------------------------------------------------------------------

// A run of one lane is leased: its first messages, as many as the engine likes.
pred take [p: Process] {
  p in Alive
  Taken in Taken'
  let fresh = Taken' - Taken, of_lane = fresh.offset.lane.~lane, out = p.leased[Slot].offset & of_lane {
    some fresh and fresh.epoch = p.assigned and one fresh.offset.lane
    all l: fresh | p.buffer[l.slot] = l.offset and no p.leased[l.slot]
    all disj l, m: fresh | l.slot != m.slot
    no out or OneRunOfALane in Broken
    (p.buffer[Slot] & of_lane & fresh.offset.prevs in fresh.offset + out) or HeadFirst in Broken
    all l: fresh | l.previous = { b: fresh | b.offset = log/max[fresh.offset & l.offset.prevs] }
    leased' = leased + { q: p, s: Slot, l: fresh | l.slot = s }
  }
  Running' = Running and Completed' = Completed and Failed' = Failed and Done' = Done
  assigned' = assigned and position' = position and settled' = settled and buffer' = buffer
  same_group and same_commits and same_requests and same_intake and same_history
}

fun unstarted: set Lease { Taken - Running - Completed - Failed }

// A handler starts when the one before it in the run has ended well. The engine does not know whether the epoch has.
pred begin [l: Lease] {
  l in unstarted and l.epoch.owner in Alive
  l.previous in Completed + { b: Failed | StopsRunAtFailure in Broken }
  Running' = Running + l
  Taken' = Taken and Completed' = Completed and Failed' = Failed and Done' = Done
  same_group and same_commits and same_requests and same_partition and same_intake and same_history
}

// Completed, dead-lettered or dropped.
pred complete [l: Lease] {
  l in Running and l.epoch.owner in Alive
  Running' = Running - l
  Completed' = Completed + l
  Done' = Done + l.offset
  Taken' = Taken and Failed' = Failed
  same_group and same_commits and same_requests and same_partition and same_intake and same_history
}

// Failed, timed out, or given back with its engine; a timeout counts when the handler has really ended.
pred fail [l: Lease] {
  l in Running + unstarted and l not in Failed and l.epoch.owner in Alive
  Running' = Running - (WaitsForHandler in Broken => none else l)
  Failed' = Failed + l
  Taken' = Taken and Completed' = Completed and Done' = Done
  same_group and same_commits and same_requests and same_partition and same_intake and same_history
}

// A settlement arrives. It finds its message by slot and lease id; one that finds none changes nothing.
pred settle [p: Process, l: Lease] {
  p in Alive and l in Completed + Failed and l.epoch.owner = p
  (p.leased[l.slot] = l or FencesSettlements in Broken and some p.leased[l.slot])
    => (l in Completed => completes[p, l.slot] else gives_back[p, l.slot]) else same_partition
  same_group and same_commits and same_requests and same_intake and same_engines and same_history
}

pred completes [p: Process, s: Slot] {
  settled' = settled + p -> p.buffer[s]
  buffer' = buffer - p -> s -> Offset
  leased' = leased - p -> s -> Lease
  assigned' = assigned and position' = position
}

// The message and what is leased after it in its lane wait again, where they are.
pred gives_back [p: Process, s: Slot] {
  let o = p.buffer[s], back = p.buffer.(o.lane.~lane & (o + o.nexts)) | leased' = leased - p -> back -> Lease
  assigned' = assigned and position' = position and settled' = settled and buffer' = buffer
}

// --- Commits ---------------------------------------------------------------------------------------------------------

fun committable [p: Process]: lone Offset { log/min[(Offset - p.settled) + p.position] }

// A snapshot of offset and gap map, cut from the top where metadata is limited. It replaces one that never arrives.
pred send [p: Process] {
  p in Alive and some p.assigned and some p.position
  let highest = log/max[p.settled],
      base = (CommitsLowestUnsettled in Broken and some highest) => highest.next else committable[p] {
    request' = request ++ p -> p.joined
    request_offset' = request_offset ++ p -> base
    some cut: Offset | request_map' = (others[p] <: request_map) + p -> (p.settled & base.nexts & cut.prevs)
  }
  same_group and same_commits and same_partition and same_intake and same_engines and same_history
}

// The broker takes a commit that carries its generation, and refuses any other.
pred apply [p: Process] {
  some p.request
  (p.request = Broker.generation or FencesCommits in Broken) => {
    committed' = Broker -> p.request_offset
    map' = Broker -> p.request_map
  } else same_commits
  request' = others[p] <: request
  request_offset' = others[p] <: request_offset
  request_map' = others[p] <: request_map
  same_group and same_partition and same_intake and same_engines and same_history
}

// --- Steps -----------------------------------------------------------------------------------------------------------

fun others [p: Process]: set Process { Process - p }
pred same_members { joined' = joined and Alive' = Alive }
pred same_group { generation' = generation and same_members }
pred same_commits { committed' = committed and map' = map }
pred same_requests { request' = request and request_offset' = request_offset and request_map' = request_map }
pred same_partition {
  assigned' = assigned and position' = position and settled' = settled and buffer' = buffer and leased' = leased
}
pred same_intake { staged' = staged and staged_for' = staged_for }
pred same_engines {
  Taken' = Taken and Running' = Running and Completed' = Completed and Failed' = Failed and Done' = Done
}
pred same_history { Used' = Used and recovered' = recovered }

pred nothing {
  same_group and same_commits and same_requests and same_partition and same_intake and same_engines and same_history
}

pred step {
  nothing or rebalance or (some p: Process | moves[p]) or (some l: Lease | begin[l] or complete[l] or fail[l])
}
pred moves [p: Process] {
  join[p] or assign[p] or release[p] or crash[p] or stage[p] or publish[p] or deliver[p] or take[p]
  or (some l: Lease | settle[p, l]) or send[p] or apply[p]
}

pred behaviour { start and always step }
