/**
 * The host's clock as the worker knows it, by the rule of HeartbeatReply: an offset which is never so small that a
 * deadline would be taken for a later one than it is. Only the newest one counts, because the two clocks drift apart.
 */

/** The worker's own clock: monotonic, in ms. */
export const workerTimeMs = (): number => performance.now()

export class HostClock {
  #offsetMs = Number.POSITIVE_INFINITY

  /** The host's clock showed `hostTimeMs` at a moment after the worker's showed `sentAtMs`. */
  read(sentAtMs: number, hostTimeMs: number): void {
    this.#offsetMs = hostTimeMs - sentAtMs
  }

  /** A time of the host's by the worker's clock, or a little earlier; in the past while nothing of the host was read. */
  toWorkerTime(hostTimeMs: number): number {
    return hostTimeMs - this.#offsetMs
  }
}
