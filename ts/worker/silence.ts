/**
 * Notices that a peer has been silent for too long. What comes only writes down when it came; the timer looks at that.
 */

export class SilenceWatch {
  readonly #onSilence: () => void
  #mostMs: number
  #heardAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  /** @param mostMs how long it may be silent from now on */
  constructor(mostMs: number, onSilence: () => void) {
    this.#mostMs = mostMs
    this.#onSilence = onSilence
    this.#wakeIn(mostMs)
  }

  heard(): void {
    this.#heardAt = performance.now()
  }

  /** It has just been heard, and may be silent for so long from now on. */
  allow(mostMs: number): void {
    this.stop()
    this.#mostMs = mostMs
    this.heard()
    this.#wakeIn(mostMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #wakeIn(delayMs: number): void {
    this.#timer = setTimeout(() => {
      // Where a handler kept the event loop, what has come meanwhile is still to be read: that is first.
      this.#immediate = setImmediate(() => this.#look())
    }, delayMs)
  }

  #look(): void {
    const leftMs = this.#heardAt + this.#mostMs - performance.now()
    if (leftMs <= 0) this.#onSilence()
    else this.#wakeIn(Math.ceil(leftMs))
  }
}
