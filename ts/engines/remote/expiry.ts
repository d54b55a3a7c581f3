/**
 * Ends a session when what its worker has shown holds no longer. A while before, the worker is told to drain, so that it
 * comes back with another token and nothing that it runs is lost.
 */
import type { Session } from './session.js'

/** Of the time that is left at the beginning: a worker that comes back with the same token is not drained again at once. */
const DRAIN_SHARE = 0.1
const MAX_TIMER_MS = 2 ** 31 - 1

export class Expiry {
  #timer: NodeJS.Timeout | undefined

  /**
   * @param atMs in ms since the epoch
   * @param mostDrainMs how long a worker may need to end what it runs
   */
  constructor(session: Session, atMs: number, mostDrainMs: number) {
    const drainMs = Math.min(DRAIN_SHARE * (atMs - Date.now()), mostDrainMs)
    this.#wakeAt(atMs - drainMs, () => {
      session.drain('its token expires')
      this.#wakeAt(atMs, () => session.end({ code: 'UNAUTHENTICATED', message: 'its token has expired' }))
    })
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #wakeAt(atMs: number, then: () => void): void {
    const leftMs = Math.max(Math.ceil(atMs - Date.now()), 0)
    const wake = () => (Date.now() < atMs ? this.#wakeAt(atMs, then) : then())
    this.#timer = setTimeout(wake, Math.min(leftMs, MAX_TIMER_MS)).unref()
  }
}
