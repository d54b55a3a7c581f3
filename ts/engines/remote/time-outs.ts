/**
 * Things that each time out equally long after they began: they do so in the order in which they began, so that one map
 * in that order and one timer serve them all.
 */

export class TimeOuts<T> {
  readonly #afterMs: number
  readonly #onTimeOut: (item: T) => void
  /** In the order in which they began; the value is when they time out. */
  readonly #dueAt = new Map<T, number>()
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  constructor(afterMs: number, onTimeOut: (item: T) => void) {
    this.#afterMs = afterMs
    this.#onTimeOut = onTimeOut
  }

  /** Its time begins, or begins again. */
  begin(item: T): void {
    this.#dueAt.delete(item)
    this.#dueAt.set(item, performance.now() + this.#afterMs)
    if (this.#timer === undefined && this.#immediate === undefined) this.#wakeIn(this.#afterMs)
  }

  end(item: T): void {
    this.#dueAt.delete(item)
  }

  clear(): void {
    this.#dueAt.clear()
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #wakeIn(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      // Where the event loop was kept, what would have ended the wait is still to be read: that comes first.
      this.#immediate = setImmediate(() => this.#timeOutWhatIsDue())
    }, delayMs)
    // What runs keeps the process alive by itself.
    this.#timer.unref()
  }

  #timeOutWhatIsDue(): void {
    this.#immediate = undefined
    const now = performance.now()
    for (const [item, dueAt] of this.#dueAt) {
      if (dueAt > now) {
        this.#wakeIn(Math.ceil(dueAt - now))
        return
      }
      this.#dueAt.delete(item)
      this.#onTimeOut(item)
    }
  }
}
