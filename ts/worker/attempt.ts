/** One attempt of one message in a worker: what its handler is told, what cancels it, and what it sends. */
import { numberOf, type v1 } from '../contracts/worker-contract.js'
import { LanewayError } from '../errors.js'
import { outgoing } from '../outgoing.js'
import type { HandlerContext, OutgoingRecord } from '../ports/engine.js'

/** What a worker's handler is told besides its message: a handler for a consumer is one for a worker, too. */
export interface WorkerContext extends HandlerContext {
  /**
   * Aborted, with a LanewayError as its reason, when the lease ends (`DEADLINE_EXCEEDED`), when the host cancels it or
   * the worker's drain takes too long (`CANCELLED`), and when the host is lost (`LEASE_LOST`).
   */
  readonly signal: AbortSignal
  /**
   * Produces a record exactly once: it becomes visible in the transaction that settles this message, and not at all when
   * this attempt fails. Only where the host has the option `transactional`, and only while the handler runs.
   *
   * @throws LanewayError `NOT_TRANSACTIONAL`, `RECORD_INVALID`, or `LEASE_LOST` where the handler has ended or its host is lost
   */
  readonly send: (record: OutgoingRecord) => void
  /** When the lease ends, in ms of `performance.now()`: never later than the host's clock says. */
  readonly deadline: number
  /** W3C Trace Context of the message, where it has one. */
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
  /** All that the host has added to the message. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Settles its message by returning (or resolving); a throw (or rejection) is a failed attempt. */
export type WorkerHandler<M> = (message: M, context: WorkerContext) => unknown

/** What of an attempt comes with its message. */
export interface AttemptOptions {
  readonly number: number
  readonly firstFailedAtMs: Parameters<typeof numberOf>[0]
  readonly metadata: Readonly<Record<string, string>>
  /** By the worker's clock. */
  readonly deadlineMs: number
  /** The handler may send. */
  readonly takesOutputs: boolean
}

function outputOf(record: OutgoingRecord): v1.Output.$Properties {
  const { topic, key, value, partition, timestamp, headers } = outgoing(record)
  const output: v1.Output.$Properties = { topic, key, value }
  if (partition >= 0) output.partition = partition
  if (timestamp > 0) output.timestampMs = timestamp
  if (headers !== null) output.headers = headersOf(headers)
  return output
}

/** @param flat names and values, one after the other */
function headersOf(flat: readonly (Uint8Array | string | null)[]): v1.Header.$Properties[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => {
    const value = flat[2 * i + 1] ?? null
    return { name: String(flat[2 * i]), value: typeof value === 'string' ? Buffer.from(value) : value }
  })
}

export class Attempt implements WorkerContext {
  readonly attempt: number
  readonly deadline: number
  readonly metadata: Readonly<Record<string, string>>
  readonly outputs: v1.Output.$Properties[] = []
  readonly #firstFailedAtMs: AttemptOptions['firstFailedAtMs']
  readonly #takesOutputs: boolean
  #controller: AbortController | undefined
  #reason: LanewayError | undefined
  #isEnded = false

  constructor({ number, firstFailedAtMs, metadata, deadlineMs, takesOutputs }: AttemptOptions) {
    this.#takesOutputs = takesOutputs
    this.attempt = number
    this.#firstFailedAtMs = firstFailedAtMs
    this.metadata = metadata
    this.deadline = deadlineMs
  }

  /** Made when it is asked for: most handlers do not. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  get firstFailedAt(): number | undefined {
    const at = this.#firstFailedAtMs
    return at === null || at === undefined ? undefined : numberOf(at)
  }

  get traceparent(): string | undefined {
    return this.metadata['traceparent']
  }

  get tracestate(): string | undefined {
    return this.metadata['tracestate']
  }

  /** A function of its own, because handlers take it out of their context: `(message, { send }) => ...`. */
  get send(): HandlerContext['send'] {
    return (record) => {
      if (this.#isEnded || this.#reason?.code === 'LEASE_LOST') {
        throw new LanewayError('LEASE_LOST', 'the handler of this message has ended, or its host is lost')
      }
      if (!this.#takesOutputs) throw new LanewayError('NOT_TRANSACTIONAL', 'the host has no option transactional')
      this.outputs.push(outputOf(record))
    }
  }

  /** The first reason counts. */
  cancel(reason: LanewayError): void {
    if (this.#reason !== undefined || this.#isEnded) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  /** Its handler has ended. Why it was cancelled before, where it was. */
  end(): LanewayError | undefined {
    this.#isEnded = true
    return this.#reason
  }
}
