/**
 * A run of leases that a worker holds. Its messages end in their order; the first one that has not ended is its head, the
 * only one that may be running.
 */
import type { MessageBatch } from '../../message-batch.js'
import type { Place } from '../settler.js'
import type { Session } from './session.js'

/** A message of a run that has failed although its worker believes otherwise. */
export interface Refused {
  readonly index: number
  readonly error: Error
}

export class HeldRun {
  readonly session: Session
  readonly batch: MessageBatch
  readonly place: Place
  readonly #from: number
  readonly #end: number
  readonly #beginsAtMs: number
  readonly #timeoutMs: number
  #head: number
  #refused: Refused | undefined
  /** Its head ran longer than it may: it has failed, whatever the worker says. */
  isTimedOut = false
  /** Its partition is not this member's any more. */
  isFenced = false

  /** @param times when it is handed out, by the host's clock, and how long each of its attempts may take */
  constructor(
    session: Session,
    batch: MessageBatch,
    place: Place,
    { from, to }: { readonly from: number; readonly to: number },
    times: { readonly beginsAtMs: number; readonly timeoutMs: number },
  ) {
    this.session = session
    this.batch = batch
    this.place = place
    this.#from = from
    this.#head = from
    this.#end = to
    this.#beginsAtMs = times.beginsAtMs
    this.#timeoutMs = times.timeoutMs
  }

  /** When a lease ends, in ms by the host's clock: its own time begins where that of the one before it ends. */
  deadlineMs(index: number): number {
    return this.#beginsAtMs + (index - this.#from + 1) * this.#timeoutMs
  }

  /** When its last lease ends: from then on no worker runs any of them. */
  get endsAtMs(): number {
    return this.deadlineMs(this.#end - 1)
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

  /** The one before the head, where it has failed although its worker has completed it. */
  get refused(): Refused | undefined {
    return this.#refused
  }

  /** The head has ended; false where it was the last one. */
  advance(): boolean {
    this.#head += 1
    this.isTimedOut = false
    return this.#head < this.#end
  }

  /** The same, where the host cannot take what the worker has done: it fails once the worker has stopped going on. */
  refuse(error: Error): void {
    this.#refused = { index: this.#head, error }
    this.advance()
  }
}
