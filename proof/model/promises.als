/*
 * The promises P1 to P4 (docs/model.md) as predicates about partition.als. Which traces keep them and which rules they
 * rest on: invariant.als, weakened.als.
 */
module promises
open partition

// P1, at least once: what the broker calls settled (below the offset, or in the gap map) some handler has completed.
pred at_least_once { (Broker.committed.prevs + Broker.map) & messages in Done }

// P2, key order: in an epoch, two messages of one lane never run at once.
pred one_at_a_time { all disj l, m: Running | l.epoch = m.epoch implies l.offset.lane != m.offset.lane }

// P2, key order: a message runs only when every earlier message of its lane is completed, also across retries.
pred in_order { all l: Running | l.offset.lane.~lane & l.offset.prevs in Done }

// P3, nothing twice: what a commit says is settled is not leased again by an epoch that began with that commit.
pred nothing_twice { all l: Taken | l.offset not in l.epoch.recovered }

// P3, nothing twice, and P4, fenced: no late commit takes the committed offset back.
pred never_back { Broker.committed.prevs in Broker.committed'.prevs }

// P4, fenced: a settlement from another epoch than the current one changes nothing.
pred fenced { all p: Process, l: Lease | settle[p, l] and l.epoch != p.assigned implies nothing }

// How a process comes to a commit with a gap: the first steps of the longer traces.
pred commits_a_gap [p: Process] {
  assign[p]; deliver[p]; deliver[p]; take[p]; (some l: Lease | begin[l]); (some l: Lease | complete[l]);
  (some l: Lease | settle[p, l]); (send[p] and some request_map'); apply[p]
}
