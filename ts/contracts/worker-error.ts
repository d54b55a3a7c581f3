/** What a handler in another process or another language failed with. */

export interface WorkerErrorOptions {
  readonly code: string
  readonly retriable?: boolean | undefined
  readonly details?: Readonly<Record<string, string>>
  readonly stack?: string
}

const BRAND = Symbol.for('laneway.workerError')

/** The error of a failed attempt whose handler runs in a worker: the last error of a dead letter, for example. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError'
  /** The worker's name of the error, e.g. `ValueError`. */
  readonly code: string
  /** False: another attempt cannot help, and none is made. undefined: the worker does not know. */
  readonly retriable: boolean | undefined
  /** What the worker says besides; empty where it says nothing. */
  readonly details: Readonly<Record<string, string>>

  constructor(message: string, { code, retriable, details = {}, stack }: WorkerErrorOptions) {
    super(message)
    this.code = code
    this.retriable = retriable
    this.details = details
    // The worker's, which says where it failed; this one's own would say where its answer was read.
    if (stack !== undefined && stack !== '') this.stack = stack
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for a WorkerError of any copy of this package. */
  static is(value: unknown): value is WorkerError {
    return typeof value === 'object' && value !== null && BRAND in value
  }
}
