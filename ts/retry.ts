/**
 * When a failed message is tried again. A delay is a function of the attempt, so that a policy is a plain value which can
 * be tested without a consumer. It must not keep state: one policy serves all messages, and none may slow another down.
 */
import { z } from 'zod'
import { validate } from './validation.js'

export interface ExponentialBackoffOptions {
  /** Upper bound of the first delay, in ms. */
  readonly initial: number
  /** Upper bound of every delay, in ms. */
  readonly max: number
  /** What each bound is multiplied by for the next one, at least 1. Default: 2. */
  readonly factor?: number
}

const MAX_DELAY_MS = 2 ** 31 - 1
/** For options that are a backoff. */
export const backoffOptions = z.strictObject({
  initial: z.number().min(0).max(MAX_DELAY_MS),
  max: z.number().min(0).max(MAX_DELAY_MS),
  factor: z.number().min(1).max(1_000).default(2),
})

/** The delay in ms before the attempt that follows attempt number `attempt` (1 is the first). */
export type RetryDelay = (attempt: number) => number

/**
 * Exponential backoff with full jitter: each delay is drawn evenly from 0 to a bound that grows by `factor` up to `max`.
 * Full jitter spreads the retries of many keys best (M. Brooker, "Exponential Backoff And Jitter").
 *
 * @throws LanewayError `CONFIG_INVALID` where a number is impossible
 */
export function exponentialBackoff(options: ExponentialBackoffOptions): RetryDelay {
  const { initial, max, factor } = validate(backoffOptions, options, 'options of exponentialBackoff()')
  return (attempt) => Math.random() * Math.min(max, initial * Math.min(factor ** (attempt - 1), Number.MAX_VALUE))
}
