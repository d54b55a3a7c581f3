/**
 * Notices that the host has answered nothing for too long. The time counts from when the worker sent what was answered, so
 * that a host which is cut off knows when the worker has noticed. An answer is only written down; the timer looks at that.
 */

export class SilenceWatch {
  readonly #onSilence: () => void
  #mostMs: number
  /** When the last of what was answered was sent, by the worker's clock. */
  #sentAtMs = performance.now()
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  /** @param mostMs how long it may take from now on */
  constructor(mostMs: number, onSilence: () => void) {
    this.#mostMs = mostMs
    this.#onSilence = onSilence
    this.#wake()
  }

  answered(sentAtMs: number): void {
    this.#sentAtMs = sentAtMs
  }

  /** It may take so long from now on. */
  allow(mostMs: number): void {
    this.stop()
    this.#mostMs = mostMs
    this.#wake()
  }

  stop(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  /** When it has been too long, by the worker's clock, unless an answer comes. */
  get dueAtMs(): number {
    return this.#sentAtMs + this.#mostMs
  }

  get #leftMs(): number {
    return this.dueAtMs - performance.now()
  }

  #wake(): void {
    this.#timer = setTimeout(
      () => {
        // Where a handler kept the event loop, what has come meanwhile is still to be read: that is first.
        this.#immediate = setImmediate(() => this.#look())
      },
      Math.max(Math.ceil(this.#leftMs), 0),
    )
  }

  #look(): void {
    if (this.#leftMs <= 0) this.#onSilence()
    else this.#wake()
  }
}
