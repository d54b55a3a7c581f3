/**
 * Every failure that laneway lets a user see: one class, one stable `code` for each kind.
 *
 * The class is branded, so that two copies of the package recognise each other's errors: use {@link LanewayError.is}
 * rather than `instanceof` across package boundaries.
 */
import type { RawFailure } from './native.js'

/** What each code means. Codes never change their meaning; new ones may come. */
export const ERROR_CODES = {
  CONFIG_INVALID: 'An option is unknown, of the wrong type or impossible; `issues` names each field.',
  ALREADY_RUNNING: 'run() was called twice on one consumer.',
  CONSUMER_CLOSED: 'The consumer is closed, or was closed before run().',
  PRODUCER_CLOSED: 'The producer is closed.',
  RETRIES_EXHAUSTED:
    'A message failed as often as the retry policy allows; `details` names it, `cause` is its last error.',
  DESERIALIZATION_FAILED:
    'The key or value of a message cannot be decoded; `details` names it, `cause` is what the decoder said.',
  FATAL_HANDLER: 'A handler threw FatalError: the consumer stops.',
  HANDLER_TIMEOUT: 'A handler ran longer than handlerTimeout; the attempt counts as failed once it has ended.',
  KEY_POISONED: 'A message was not run, because its key failed too often in a row.',
  LEASE_LOST: 'A handler went on with a message that is not its own any more.',
  NOT_TRANSACTIONAL: 'send() was called without the option transactional.',
  RECORD_INVALID: 'A record to be produced is impossible; `issues` names the field.',
  DEAD_LETTER_FAILED: 'A dead letter was not acknowledged; it is sent again, and its message stays unsettled.',
  BROKER_UNREACHABLE: 'No broker could be reached.',
  TIMED_OUT: 'A request was not answered in time.',
  TOPIC_UNKNOWN: 'A topic does not exist.',
  TOPIC_EXISTS: 'A topic to be created exists already.',
  AUTHORIZATION_FAILED: 'The cluster denies access to a topic, the group or the cluster.',
  AUTHENTICATION_FAILED: 'The cluster does not accept the credentials.',
  TLS_FAILED: 'The TLS handshake failed.',
  GROUP_PROTOCOL_MISMATCH: 'The group uses another protocol or assignor, or the broker lacks what was asked for.',
  GROUP_REFUSED: 'The group does not take this member: invalid group id or session timeout, or the group is full.',
  FENCED:
    'Another member has taken this one’s group instance id or transactional.id, or a transaction ran out of its time.',
  MEMBERSHIP_LOST: 'The group went on without this member; it joins again by itself.',
  OFFSET_OUT_OF_RANGE: 'There is no offset to start from, and auto.offset.reset says error.',
  OFFSET_TOO_LARGE: 'An offset above 2^53 - 1.',
  MESSAGE_TOO_LARGE: 'The broker refuses a record for its size.',
  COMMIT_FAILED: 'Offsets could not be committed; they are committed again with the next interval.',
  METADATA_TOO_LARGE: 'The broker’s limit for commit metadata is lower; a shorter gap map is used from now on.',
  METADATA_CORRUPT: 'A gap map does not decode, or belongs to another offset; the offset alone is used.',
  METADATA_FOREIGN: 'Commit metadata in a format that laneway does not know; the offset alone is used.',
  METADATA_INVALID: 'A gap map that cannot exist was to be encoded.',
  GROUP_ACTIVE: 'The group has members, or a transaction that is open: its offsets are not changed.',
  GROUP_CHANGED: 'The group has committed something else since it was looked at; nothing was changed.',
  NOTHING_COMMITTED: 'The group has committed nothing of what was to be changed.',
  OFFSET_INVALID: 'An offset to skip or to go to is settled already, outside the log, or too far ahead.',
  QUEUE_FULL: 'The producer’s queue is full.',
  KAFKA_ERROR: 'Any other error of librdkafka or the cluster; see `kafkaError`.',
  WORKER_LOST: 'A worker was lost while it may have been running a message: that attempt counts as failed.',
  WORKERS_FAILED: 'Worker processes end again and again without having said hello.',
  LEASE_TOO_LARGE: 'A message is larger than its worker takes.',
  LISTEN_FAILED: 'The address for workers cannot be listened on.',
  DEADLINE_EXCEEDED: 'A worker’s handler ran past the deadline of its lease; the attempt counts as failed.',
  CANCELLED: 'A worker’s handler was cancelled: by the host, or because the worker ends.',
  HANDLER_UNKNOWN: 'A host wants a handler that its worker does not have.',
  WORKER_REFUSED: 'The host does not want this worker: its token, its certificate or its handlers; the text says why.',
  HOST_UNREACHABLE: 'A worker has not reached its host for as long as it was to try.',
  HANDLER_MODULE_INVALID: 'The handler module cannot be loaded or has no function as its default export.',
  CONTRACT_BROKEN: 'An engine does not keep the contract of engines; the message says what was seen.',
  INTERNAL: 'A fault of laneway itself: it stops rather than risk a message.',
} as const

/** A stable name for a kind of failure; see {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** One wrong option: where it is and what is wrong with it. */
export interface ConfigIssue {
  /** Path of the option, e.g. `retry.maxAttempts`. */
  readonly field: string
  readonly message: string
}

export interface LanewayErrorOptions {
  readonly cause?: unknown
  /** librdkafka's name of the error, e.g. `TOPIC_AUTHORIZATION_FAILED`. */
  readonly kafkaError?: string | undefined
  readonly retriable?: boolean
  readonly fatal?: boolean
  readonly issues?: readonly ConfigIssue[]
  readonly details?: Readonly<Record<string, string | number>>
}

const BRAND = Symbol.for('laneway.error')

/** The error of everything in this package. */
export class LanewayError extends Error {
  override readonly name = 'LanewayError'
  readonly code: ErrorCode
  readonly kafkaError: string | undefined
  /** Trying again may help. */
  readonly retriable: boolean
  /** The consumer cannot go on. */
  readonly fatal: boolean
  /** `CONFIG_INVALID`: every wrong field. */
  readonly issues: readonly ConfigIssue[]
  /** What the failure is about, e.g. topic, partition and offset of a message. */
  readonly details: Readonly<Record<string, string | number>>

  constructor(code: ErrorCode, message: string, options: LanewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.kafkaError = options.kafkaError
    this.retriable = options.retriable ?? false
    this.fatal = options.fatal ?? false
    this.issues = options.issues ?? []
    this.details = options.details ?? {}
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for a LanewayError of any copy of this package. */
  static is(value: unknown): value is LanewayError {
    return typeof value === 'object' && value !== null && BRAND in value
  }
}

function isRawFailure(value: unknown): value is RawFailure {
  return value instanceof Error && 'code' in value && 'retriable' in value && 'fatal' in value
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}

/** What librdkafka refuses comes as `kafka['name']: reason`, or without a name where values contradict each other. */
function issueOf(message: string): ConfigIssue {
  const [, name, reason] = /^kafka\['(.+?)'\]: (.*)$/s.exec(message) ?? []
  return name === undefined || reason === undefined
    ? { field: 'kafka', message }
    : { field: `kafka.${name}`, message: reason }
}

/** The LanewayError of a failure that native code reported. */
export function fromRaw(failure: RawFailure): LanewayError {
  const code = isErrorCode(failure.code) ? failure.code : 'INTERNAL'
  const { kafkaError, retriable, fatal, message } = failure
  const issues = code === 'CONFIG_INVALID' ? [issueOf(message)] : []
  return new LanewayError(code, message, { kafkaError, retriable, fatal, issues })
}

/** Runs raw calls and turns what they throw into a LanewayError. */
export function translate<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw isRawFailure(error) ? fromRaw(error) : error
  }
}

/** The same for a raw promise. */
export async function translateAsync<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw isRawFailure(error) ? fromRaw(error) : error
  }
}
