/** What a worker answered, in laneway's own terms: the error that its handler would have thrown here. */
import { DeadLetterMessage, DropMessage, FatalError, RetryMessage } from '../outcomes.js'
import type { OutgoingRecord } from '../ports/engine.js'
import { numberOf, v1 } from './worker-contract.js'
import { WorkerError } from './worker-error.js'

const { Status } = v1

function workerError(error: v1.Error.$Properties): WorkerError {
  return new WorkerError(error.message ?? '', {
    code: error.code ?? '',
    retriable: error.retriable ?? undefined,
    details: error.details ?? {},
    stack: error.stack ?? '',
  })
}

/** The error of a settlement that is neither completed nor released. */
export function errorOf({ status, error, delayMs }: v1.Settlement.$Properties): Error {
  const cause = error ? workerError(error) : undefined
  const reason = error?.message ?? ''
  switch (status) {
    case Status.STATUS_FAILED:
      return cause ?? new WorkerError('failed without an error', { code: 'UNKNOWN' })
    case Status.STATUS_RETRY:
      return new RetryMessage({ delay: delayMs ?? 0, cause })
    case Status.STATUS_DROP:
      return new DropMessage(reason, { cause })
    case Status.STATUS_DEAD_LETTER:
      return new DeadLetterMessage(reason, { cause })
    case Status.STATUS_FATAL:
      return new FatalError(reason, { cause })
    default:
      return new WorkerError(`a status that this version does not know: ${status ?? 0}`, { code: 'STATUS_UNKNOWN' })
  }
}

/** A record of the contract as a handler would have sent it. */
export function outgoingRecord(output: v1.Output.$Properties): OutgoingRecord {
  const { topic, key, value, headers, partition, timestampMs } = output
  return {
    topic: topic ?? '',
    key: key ?? null,
    value: value ?? null,
    headers: (headers ?? []).map((header) => [header.name ?? '', header.value ?? null] as const),
    ...(partition === undefined || partition === null ? {} : { partition }),
    ...(timestampMs === undefined || timestampMs === null ? {} : { timestamp: numberOf(timestampMs) }),
  }
}
