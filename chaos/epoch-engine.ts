/**
 * The inline engine, watched: it knows under which epoch of its partition, and when, a message was taken.
 *
 * A handler is not told its epoch, and the events of a rebalance reach JavaScript a little after it has happened. A
 * message's key and value are views into the batch that it came with, so that the batch's buffer names the take. The
 * epochs are read right after the take; a whole rebalance would have to pass between the two to be missed.
 */
import type { ConsumerStats } from '../ts/consumer.js'
import { inline } from '../ts/engines/inline.js'
import type { Engine, EngineHost, Message, StopMode, Taker } from '../ts/ports/engine.js'
import { monotonic } from './ledger.js'

interface Take {
  readonly at: number
  readonly epochs: ReadonlyMap<number, number>
}

export interface Origin {
  readonly epoch: number
  /** µs, as in the ledger. */
  readonly taken: number
}

export class EpochEngine implements Engine {
  readonly #inner = inline()
  readonly #stats: () => ConsumerStats
  readonly #takes = new WeakMap<ArrayBufferLike, Take>()
  /** The last one seen of each partition: one that is released between a take and the reading keeps its number. */
  readonly #epochs = new Map<number, number>()

  constructor(stats: () => ConsumerStats) {
    this.#stats = stats
  }

  start(host: EngineHost): void | Promise<void> {
    return this.#inner.start({ ...host, attach: (onReady) => this.#watch(host.attach(onReady)) })
  }

  stop(mode: StopMode, deadlineMs: number): Promise<void> {
    return this.#inner.stop(mode, deadlineMs)
  }

  fence(partitions: readonly { readonly topic: string; readonly partition: number }[]): void {
    this.#inner.fence?.(partitions)
  }

  /** @throws Error where the message came with no take: the harness would attribute it wrongly */
  originOf(message: Message): Origin {
    const take = message.value === null ? undefined : this.#takes.get(message.value.buffer)
    const epoch = take?.epochs.get(message.partition)
    if (take === undefined || epoch === undefined) throw new Error(`no take is known for offset ${message.offset}`)
    return { epoch, taken: take.at }
  }

  #watch(taker: Taker): Taker {
    return {
      ...taker,
      take: (count, maxMessages, maxBytes) => {
        const batch = taker.take(count, maxMessages, maxBytes)
        if (batch !== null) this.#takes.set(batch, { at: monotonic(), epochs: this.#readEpochs() })
        return batch
      },
    }
  }

  #readEpochs(): ReadonlyMap<number, number> {
    for (const { partition, epoch } of this.#stats().partitions) this.#epochs.set(partition, epoch)
    return new Map(this.#epochs)
  }
}
