/**
 * The places in which handlers run: `concurrency` of them, for all sessions of a worker together, because a handler that
 * outlives its session still takes one. Runs that have none wait, the oldest first.
 *
 * Handlers give the event loop its turn by time, as in the inline engine: a worker that says nothing is taken for lost.
 */

/** How long handlers may keep the event loop, in ms. */
const TURN_MS = 5

/** What takes a place: it goes on until it waits for something, has ended, or is told that the turn is over. */
export interface Placed {
  proceed(): void
}

export class Slots {
  readonly #most: number
  #taken = 0
  readonly #waiting = new Set<Placed>()
  /** Those that have a place and go on in the next turn. */
  #postponed: Placed[] = []
  #turnEndsAt = 0
  #isTurnScheduled = false

  constructor(most: number) {
    this.#most = most
  }

  /** How many run, or go on in the next turn. */
  get taken(): number {
    return this.#taken
  }

  /** It proceeds in a place, in a later turn of the event loop. */
  offer(run: Placed): void {
    this.#waiting.add(run)
    this.#scheduleTurn()
  }

  /** It waits no longer; false where it did not. */
  withdraw(run: Placed): boolean {
    return this.#waiting.delete(run)
  }

  /** Its place is free. */
  leave(): void {
    this.#taken -= 1
    if (this.#waiting.size > 0) this.#scheduleTurn()
  }

  /** It keeps its place, and goes on after what else is due in the event loop. */
  postpone(run: Placed): void {
    this.#postponed.push(run)
    this.#scheduleTurn()
  }

  isTurnOver(): boolean {
    return performance.now() >= this.#turnEndsAt
  }

  /** A promise has ended: all that ends in the same burst shares one turn. */
  resumed(): void {
    if (this.#isTurnScheduled) return
    this.#beginTurn()
    this.#scheduleTurn()
  }

  #beginTurn(): void {
    this.#turnEndsAt = performance.now() + TURN_MS
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    setImmediate(() => {
      this.#isTurnScheduled = false
      this.#beginTurn()
      this.#runTurn()
    })
  }

  #runTurn(): void {
    if (!this.#runPostponed()) return
    for (const run of this.#waiting) {
      if (this.#taken >= this.#most) return
      if (this.isTurnOver()) {
        this.#scheduleTurn()
        return
      }
      this.#waiting.delete(run)
      this.#taken += 1
      run.proceed()
    }
  }

  /** False when the turn is over. */
  #runPostponed(): boolean {
    const runs = this.#postponed
    this.#postponed = []
    for (const [index, run] of runs.entries()) {
      run.proceed()
      if (!this.isTurnOver()) continue
      this.#postponed.push(...runs.slice(index + 1))
      this.#scheduleTurn()
      return false
    }
    return true
  }
}
