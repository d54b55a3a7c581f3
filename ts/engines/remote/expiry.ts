/**
 * Ends a session when what its worker has shown holds no longer. A while before, the worker is told to drain, so that it
 * comes back with another token and nothing that it runs is lost.
 */
import { Alarm } from './alarm.js'
import type { Session } from './session.js'

/** Of the time that is left at the beginning: a worker that comes back with the same token is not drained again at once. */
const DRAIN_SHARE = 0.1

export class Expiry {
  #alarm: Alarm

  /**
   * @param atMs in ms since the epoch
   * @param mostDrainMs how long a worker may need to end what it runs
   */
  constructor(session: Session, atMs: number, mostDrainMs: number) {
    const drainMs = Math.min(DRAIN_SHARE * (atMs - Date.now()), mostDrainMs)
    const end = () => session.end({ code: 'UNAUTHENTICATED', message: 'its token has expired' })
    this.#alarm = new Alarm(Date.now, atMs - drainMs, () => {
      session.drain('its token expires')
      this.#alarm = new Alarm(Date.now, atMs, end)
    })
  }

  stop(): void {
    this.#alarm.stop()
  }
}
