/**
 * A run of leases that a worker holds. Its messages end in their order; the first one that has not ended is its head, the
 * only one that may be running.
 */
import type { MessageBatch } from '../../message-batch.js'
import type { Place } from '../settler.js'
import type { Session } from './session.js'

export class HeldRun {
  readonly session: Session
  readonly batch: MessageBatch
  readonly place: Place
  /** When its last lease ends, in ms by the host's clock: until then a worker that is cut off may run one of them. */
  readonly endsAtMs: number
  readonly #end: number
  #head: number
  /** Its head ran longer than it may: it has failed, whatever the worker says. */
  isTimedOut = false
  /** Its partition is not this member's any more. */
  isFenced = false

  constructor(session: Session, batch: MessageBatch, place: Place, from: number, to: number, endsAtMs: number) {
    this.session = session
    this.batch = batch
    this.place = place
    this.#head = from
    this.#end = to
    this.endsAtMs = endsAtMs
  }

  /** Index of its head in the batch. */
  get head(): number {
    return this.#head
  }

  /** Index after its last message. */
  get end(): number {
    return this.#end
  }

  get headLease(): number {
    return this.batch.firstLease + this.#head
  }

  /** The leases that have not ended. */
  get leases(): readonly number[] {
    return Array.from({ length: this.#end - this.#head }, (_, i) => this.headLease + i)
  }

  /** The head has ended; false where it was the last one. */
  advance(): boolean {
    this.#head += 1
    return this.#head < this.#end
  }
}
