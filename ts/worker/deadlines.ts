/**
 * Ends leases at their deadlines. One timer, for the earliest, serves all: it is set again only where an earlier one
 * comes, and looks through all runs when it fires; there are no more of them than the worker has credits.
 */
import type { Run } from './run.js'

/** The longest delay of a timer. */
const MAX_DELAY_MS = 2 ** 31 - 1

export class Deadlines {
  readonly #runs: ReadonlySet<Run>
  #timer: NodeJS.Timeout | undefined
  #timerIsDueAt = Number.POSITIVE_INFINITY

  constructor(runs: ReadonlySet<Run>) {
    this.#runs = runs
  }

  watch({ deadlineMs }: Run): void {
    if (deadlineMs < this.#timerIsDueAt) this.#wakeAt(deadlineMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #wakeAt(dueAt: number): void {
    clearTimeout(this.#timer)
    this.#timerIsDueAt = dueAt
    const delayMs = Math.max(Math.ceil(dueAt - performance.now()), 0)
    this.#timer = setTimeout(() => this.#expireWhatIsDue(), Math.min(delayMs, MAX_DELAY_MS))
  }

  #expireWhatIsDue(): void {
    this.#timerIsDueAt = Number.POSITIVE_INFINITY
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const run of this.#runs) {
      if (run.deadlineMs <= now) run.expire()
      else next = Math.min(next, run.deadlineMs)
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next)
  }
}
