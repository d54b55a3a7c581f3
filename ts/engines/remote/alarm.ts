/**
 * Wakes at a time, never before it, and however far away it is: a timer of Node reaches 24 days, and may fire a little
 * early. It keeps no process alive.
 */
const MAX_TIMER_MS = 2 ** 31 - 1

export class Alarm {
  readonly #now: () => number
  readonly #atMs: number
  readonly #wake: () => void
  #timer: NodeJS.Timeout | undefined

  /**
   * @param now the clock that `atMs` is on, in ms
   * @param wake not called before the constructor returns, nor after stop()
   */
  constructor(now: () => number, atMs: number, wake: () => void) {
    this.#now = now
    this.#atMs = atMs
    this.#wake = wake
    this.#wait()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #wait(): void {
    const leftMs = Math.max(Math.ceil(this.#atMs - this.#now()), 0)
    const look = () => (this.#now() < this.#atMs ? this.#wait() : this.#wake())
    this.#timer = setTimeout(look, Math.min(leftMs, MAX_TIMER_MS)).unref()
  }
}
