/**
 * The way of every engine back to native code: what is settled, and what becomes of a failed message.
 *
 * Settlements wait in the columns that RawTaker describes. They are written in place and travel with the next take, so
 * that settling a message costs no call.
 */
import { BatchMessage, MessageBatch } from '../message-batch.js'
import { Outcome } from '../native.js'
import type { HandlerHost, Taker } from '../ports/engine.js'

const MAX_DELAY_MS = 2 ** 31 - 1

/** The topic and partition of a message. */
export type Place = ReturnType<HandlerHost['partition']>

class SettlementColumns {
  readonly #capacity: number
  readonly #leases: Float64Array
  readonly #slots: Uint32Array
  readonly #delays: Uint32Array
  readonly #outcomes: Uint8Array
  #count = 0

  constructor({ settlements, settlementCapacity }: Taker) {
    this.#capacity = settlementCapacity
    this.#leases = new Float64Array(settlements, 0, settlementCapacity)
    this.#slots = new Uint32Array(settlements, 8 * settlementCapacity, settlementCapacity)
    this.#delays = new Uint32Array(settlements, 12 * settlementCapacity, settlementCapacity)
    this.#outcomes = new Uint8Array(settlements, 16 * settlementCapacity, settlementCapacity)
  }

  /** True when there is no room for another one. */
  add(batch: MessageBatch, index: number, outcome: Outcome, delayMs: number): boolean {
    const at = this.#count
    this.#slots[at] = batch.slots[index] ?? 0
    this.#delays[at] = delayMs
    this.#outcomes[at] = outcome
    // Last: with it, the settlement is there, also for who finds it when this thread has been lost.
    this.#leases[at] = batch.firstLease + index
    this.#count = at + 1
    return this.#count === this.#capacity
  }

  /** How many there are; the next one goes to the start. */
  empty(): number {
    const count = this.#count
    this.#count = 0
    return count
  }
}

/** One thread's taker, with what is settled and not told yet. */
export class Settler {
  readonly taker: Taker
  readonly #host: HandlerHost
  readonly #columns: SettlementColumns

  constructor(host: HandlerHost, taker: Taker) {
    this.#host = host
    this.taker = taker
    this.#columns = new SettlementColumns(taker)
  }

  /** Settles, then takes; undefined when nothing is ready: the taker's `onReady` is called when something is. */
  take(maxMessages: number, maxBytes: number, maxRun?: number, sequential?: boolean): MessageBatch | undefined {
    const buffer = this.taker.take(this.#columns.empty(), maxMessages, maxBytes, maxRun, sequential)
    return buffer === null ? undefined : new MessageBatch(buffer)
  }

  settle(batch: MessageBatch, index: number, outcome: Outcome, delayMs = 0): void {
    if (this.#columns.add(batch, index, outcome, delayMs)) this.flush()
  }

  flush(): void {
    const count = this.#columns.empty()
    if (count > 0) this.taker.settle(count)
  }

  /**
   * Asks the host what becomes of a message, and does it. True where it is settled all the same: its run may go on.
   *
   * @param runEnd where the rest of its run ends, which goes back with it; nothing where each message of it is settled
   * by itself
   */
  failed(error: unknown, batch: MessageBatch, index: number, place: Place, runEnd = index + 1): boolean {
    const message = new BatchMessage(batch, index, place)
    const attempt = batch.attempts[index] ?? 1
    const decision = this.#host.decide({ error, message, attempt, firstFailedAt: batch.firstFailedAt(index) })
    switch (decision.kind) {
      case 'retry':
        this.settle(batch, index, Outcome.Retried, Math.min(Math.max(Math.ceil(decision.delayMs), 0), MAX_DELAY_MS))
        return false
      case 'drop':
        this.settle(batch, index, Outcome.Dropped)
        return true
      case 'deadLetter': {
        const { topic, withPayload, headers } = decision.letter
        // It gives back what is leased after it in its lane: what of that is settled already must be so there, too.
        this.flush()
        this.taker.deadLetter(batch.firstLease + index, batch.slots[index] ?? 0, topic, withPayload, headers)
        return false
      }
      case 'block':
        this.settle(batch, index, Outcome.Blocked)
        return false
      case 'stop':
        this.settle(batch, index, Outcome.Released)
        return false
      case 'elsewhere':
        // Whoever decides knows this message alone.
        if (index + 1 < runEnd) this.settle(batch, index + 1, Outcome.Released)
        this.flush()
        decision.handOver(batch.firstLease + index, batch.slots[index] ?? 0)
        return false
    }
  }
}
