/**
 * Since when nothing of a partition may start that was taken before. A fence is told after it has happened: what was
 * taken in between belongs to the next assignment, is given back, and comes again.
 */
import type { MessageBatch } from '../../message-batch.js'
import type { HandlerHost } from '../../ports/engine.js'

type Place = ReturnType<HandlerHost['partition']>

export class Fences {
  readonly #host: HandlerHost
  /** By partition id, as in batches: the number of its last fence. */
  readonly #fencedAt: number[] = []
  #count = 0

  constructor(host: HandlerHost) {
    this.#host = host
  }

  /** To be called with every batch that is taken. */
  meet(batch: MessageBatch): void {
    batch.fencesSeen = this.#count
    for (const id of batch.runPartitions) this.#fencedAt[id] ??= 0
  }

  raise(partitions: readonly Place[]): void {
    this.#count += 1
    for (const id of this.#fencedAt.keys()) {
      if (this.#fencedAt[id] === undefined) continue
      const { topic, partition } = this.#host.partition(id)
      const isMet = partitions.some((each) => each.partition === partition && each.topic === topic)
      if (isMet) this.#fencedAt[id] = this.#count
    }
  }

  /** True where the partition is not this member's any more, or not in the way it was when the batch was taken. */
  isOver(partitionId: number, batch: MessageBatch): boolean {
    return (this.#fencedAt[partitionId] ?? 0) > batch.fencesSeen
  }
}
