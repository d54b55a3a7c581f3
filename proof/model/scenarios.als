/*
 * What the model must be able to do: without such traces the promises would hold because nothing ever happens.
 */
module scenarios
open partition
open promises

pred correct { behaviour and no Broken }

// A process commits a gap and is put out of the group while a handler still runs. Another one takes over, passes over
// what the gap map says is settled, and crashes. The first one has the partition again, in a new epoch, when the
// settlement of its old handler arrives: it changes nothing, and the message runs again.
run crash_recovery_with_a_gap_and_a_zombie {
  correct
  some disj a, b: Process, disj old, other, again: Lease {
    old.offset in other.offset.prevs
    assign[a]; deliver[a]; deliver[a]; take[a]; take[a]; begin[old]; begin[other]; complete[other]; settle[a, other];
    send[a]; (apply[a] and map' = Broker -> other.offset and old.offset in Broker.committed');
    rebalance; join[b]; assign[b]; deliver[b]; (deliver[b] and buffer' = buffer); crash[b];
    rebalance; release[a]; join[a]; assign[a]; deliver[a]; take[a]; begin[again]; complete[old];
    (settle[a, old] and nothing and again.offset = old.offset);
    complete[again]; settle[a, again]
  }
} for 1 but 3 Offset, 2 Lane, 2 Process, 3 Generation, 3 Lease, 2 Slot, 30..30 steps expect 1

// A run of two fails at its head, goes back whole, and is leased again in order; the log ends in a hole.
run retry_of_a_run {
  correct
  some p: Process, disj first, second, again, last: Lease {
    second.previous = first and last.previous = again and again.offset = first.offset
    assign[p]; deliver[p]; deliver[p]; (take[p] and Taken' = first + second); begin[first]; fail[first];
    settle[p, first]; (take[p] and Taken' = Taken + again + last); begin[again]; complete[again]; begin[last];
    complete[last]; settle[p, last]; settle[p, again]; deliver[p]; send[p]; (apply[p] and committed' = Broker -> end)
  }
  end.prev not in messages
} for 1 but 4 Offset, 4 Lease, 2 Slot, 18..18 steps expect 1

// A process keeps the partition from one generation to the next, and its epoch with it.
run kept_across_generations {
  correct
  some p: Process, l: Lease {
    assign[p]; deliver[p]; take[p]; begin[l]; rebalance; join[p]; complete[l]; settle[p, l]; send[p];
    (apply[p] and l.offset in Broker.committed'.prevs)
  }
} for 1 but 2 Offset, 2 Generation, 11..11 steps expect 1

// A commit arrives after the next generation has begun, and is refused.
run late_commit {
  correct
  some p: Process { assign[p]; deliver[p]; send[p]; rebalance; (apply[p] and same_commits) }
} for 1 but 2 Offset, 2 Generation, 6..6 steps expect 1
