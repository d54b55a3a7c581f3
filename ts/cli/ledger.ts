/**
 * A ledger of what a handler saw: every start and end, checked for inversions, overlaps, duplicates and losses as they
 * happen. It trusts nothing that the consumer says of itself.
 */
import type { Message } from '../ports/engine.js'

export type Order = 'key' | 'partition' | 'none'

interface LaneRecord {
  lastStarted: number
  running: number
}

export class Ledger {
  readonly #order: Order
  readonly #lanes = new Map<string, LaneRecord>()
  readonly #ended = new Map<string, Set<number>>()
  processed = 0
  /** Starts out of order, or while another message of the lane was running. */
  inversions = 0
  /** Messages that ended more than once. */
  duplicates = 0

  constructor(order: Order) {
    this.#order = order
  }

  start(message: Message, attempt: number): void {
    const lane = this.#laneOf(message)
    if (lane === undefined) return
    const isRetry = attempt > 1 && message.offset === lane.lastStarted
    if (lane.running > 0 || (message.offset <= lane.lastStarted && !isRetry)) this.inversions += 1
    lane.lastStarted = Math.max(lane.lastStarted, message.offset)
    lane.running += 1
  }

  /** The attempt ended without settling the message. */
  fail(message: Message): void {
    const lane = this.#laneOf(message)
    if (lane !== undefined) lane.running -= 1
  }

  end(message: Message): void {
    this.fail(message)
    const name = `${message.topic}/${message.partition}`
    let offsets = this.#ended.get(name)
    if (offsets === undefined) {
      offsets = new Set()
      this.#ended.set(name, offsets)
    }
    if (offsets.has(message.offset)) this.duplicates += 1
    offsets.add(message.offset)
    this.processed += 1
  }

  /** Messages that ended at least once. */
  get distinct(): number {
    let count = 0
    for (const offsets of this.#ended.values()) count += offsets.size
    return count
  }

  #laneOf(message: Message): LaneRecord | undefined {
    if (this.#order === 'none') return undefined
    const key = message.key
    if (this.#order === 'key' && key === null) return undefined
    const name = `${message.topic}/${message.partition}/${this.#order === 'key' ? key?.toString('latin1') : ''}`
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      lane = { lastStarted: -1, running: 0 }
      this.#lanes.set(name, lane)
    }
    return lane
  }
}
