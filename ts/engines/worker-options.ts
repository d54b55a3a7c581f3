/** The options that both engines on the contract have, and what they become for the folder `remote`. */
import { z } from 'zod'
import type { WorkerLimits } from './remote/limits.js'

/** A day. */
const MAX_TIMEOUT_MS = 86_400_000
export const milliseconds = z.number().int().min(1).max(MAX_TIMEOUT_MS)

export const workerOptions = {
  handler: z.string().min(1).max(256).default('default'),
  leaseTimeout: milliseconds.default(30_000),
  heartbeat: z
    .strictObject({ interval: milliseconds.default(3_000), timeout: milliseconds.default(10_000) })
    .refine(({ interval, timeout }) => interval < timeout, { path: ['interval'], message: 'must be below timeout' })
    .prefault({}),
  helloTimeout: milliseconds.default(10_000),
  maxMessageBytes: z
    .number()
    .int()
    .min(1)
    .max(2 ** 30)
    .default(16 * 1024 * 1024),
  onLost: z.enum(['attempt', 'release']).default('attempt'),
}

/** The options of engines whose handlers run in workers. */
export interface WorkerOptions {
  /** The name of the handler, of those that workers offer. Default: `default`. */
  readonly handler?: string
  /**
   * ms that an attempt may take, where the option `handlerTimeout` does not say. The lane of a worker that is cut off
   * stays closed for so long, and for twice `heartbeat.timeout`. Default: 30,000.
   */
  readonly leaseTimeout?: number
  /** ms: how often a worker says that it lives, and after what silence it is lost. Defaults: 3,000 and 10,000. */
  readonly heartbeat?: { readonly interval?: number; readonly timeout?: number }
  /** ms from a connection to its Hello. Default: 10,000. */
  readonly helloTimeout?: number
  /** Of key, value and headers of one message; a larger one is a failed attempt. Default: 16 MiB. */
  readonly maxMessageBytes?: number
  /**
   * What was perhaps running when a worker was lost: a failed attempt (`WORKER_LOST`), or given back without counting.
   * Default: `attempt`.
   */
  readonly onLost?: 'attempt' | 'release'
}

const parsed = z.strictObject(workerOptions)

export function limitsOf(
  options: z.output<typeof parsed>,
  more: Pick<WorkerLimits, 'maxWorkers' | 'killAfterMs'>,
): WorkerLimits {
  const { handler, leaseTimeout, heartbeat, helloTimeout, maxMessageBytes, onLost } = options
  return {
    handler,
    leaseTimeoutMs: leaseTimeout,
    heartbeat,
    helloTimeoutMs: helloTimeout,
    maxMessageBytes,
    onLost,
    ...more,
  }
}
