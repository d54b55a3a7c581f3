/** What bounds the workers of one engine: all of it is known before the first one dials in. */

export interface WorkerLimits {
  /** The handler that workers run. */
  readonly handler: string
  /** ms that an attempt may take. */
  readonly leaseTimeoutMs: number
  /** ms from the end of that time to the call of `overdue` of its Admission */
  readonly killAfterMs: number
  /** How often a worker says that it lives, and after how long a silence it is taken for lost. */
  readonly heartbeat: { readonly interval: number; readonly timeout: number }
  /** ms from the opening of a stream to its Hello. */
  readonly helloTimeoutMs: number
  readonly maxWorkers: number
  /** Key, value and headers of one message. */
  readonly maxMessageBytes: number
  /** The leases of a lost worker that may have been running are failed attempts, or given back uncounted. */
  readonly onLost: 'attempt' | 'release'
}

/** Most messages that one worker may hold, whatever credits it offers. */
export const MAX_CREDITS = 10_000
/** Of handlers in a Hello, of capabilities, and of characters in each name: for logs, and to be compared. */
export const MAX_NAMES = 1_000
export const MAX_NAME_LENGTH = 256
