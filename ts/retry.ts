/** When a failed message is tried again. Delays are functions of the attempt, so that a policy is a value. */

export interface ExponentialBackoffOptions {
  /** Upper bound of the first delay, in ms. */
  readonly initial: number
  /** Upper bound of every delay, in ms. */
  readonly max: number
  /** What each bound is multiplied by for the next one. Default: 2. */
  readonly factor?: number
}

/** The delay in ms before the attempt that follows attempt number `attempt` (1 is the first). */
export type RetryDelay = (attempt: number) => number

/**
 * Exponential backoff with full jitter: each delay is drawn evenly from 0 to a bound that grows by `factor` up to `max`.
 * Full jitter spreads the retries of many keys best (M. Brooker, "Exponential Backoff And Jitter").
 */
export function exponentialBackoff({ initial, max, factor = 2 }: ExponentialBackoffOptions): RetryDelay {
  return (attempt) => Math.random() * Math.min(max, initial * factor ** (attempt - 1))
}
