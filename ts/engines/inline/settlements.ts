/**
 * Settlements on their way to native code, in the columns that RawTaker describes. They are written in place and travel
 * with the next take, so that settling a message costs no call.
 */
import type { MessageBatch } from '../../message-batch.js'
import type { Outcome } from '../../native.js'
import type { Taker } from '../../ports/engine.js'

export class SettlementColumns {
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
    this.#leases[at] = batch.firstLease + index
    this.#slots[at] = batch.slots[index] ?? 0
    this.#delays[at] = delayMs
    this.#outcomes[at] = outcome
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
