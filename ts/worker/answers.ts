/**
 * What becomes of an attempt, in the words of the contract: a settlement for each way in which a handler may end. What a
 * user's error says is cut where it is long, so that no settlement is too large to be sent.
 */
import { v1 } from '../contracts/worker-contract.js'
import { LanewayError } from '../errors.js'
import { outcomeOf } from '../outcomes.js'

const { Status } = v1

/** A settlement without the lease that it is for. */
export type Answer = Omit<v1.Settlement.$Properties, 'lease'>

const MAX_CODE_LENGTH = 256
const MAX_MESSAGE_LENGTH = 8_192
const MAX_STACK_LENGTH = 16_384
const MAX_DETAILS = 64
const MAX_DELAY_MS = 2 ** 31 - 1

export const RELEASED: Answer = { status: Status.STATUS_RELEASED }

function field(thrown: unknown, name: string): unknown {
  return typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, name) : undefined
}

/** `code` where the error has one, as Node's and laneway's have; else its class. */
function codeOf(thrown: unknown): string {
  const code = field(thrown, 'code')
  if (typeof code === 'string' && code !== '') return code
  return thrown instanceof Error ? thrown.name : typeof thrown
}

function detailsOf(thrown: unknown): Record<string, string> {
  const details = field(thrown, 'details')
  if (typeof details !== 'object' || details === null) return {}
  const entries = Object.entries(details).slice(0, MAX_DETAILS)
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value).slice(0, MAX_MESSAGE_LENGTH)]))
}

/** With the causes below it, each under its own stack. */
function stackOf(thrown: unknown): string {
  const stacks: string[] = []
  for (let error = thrown; error instanceof Error && stacks.length < 10; error = error.cause) {
    stacks.push(error.stack ?? String(error))
  }
  return stacks.join('\ncaused by: ').slice(0, MAX_STACK_LENGTH)
}

/** Of laneway's own errors only a true one says something: false is what they have where nobody knows. */
function retriableOf(thrown: unknown): boolean | null {
  const retriable = field(thrown, 'retriable')
  return typeof retriable === 'boolean' && (retriable || !LanewayError.is(thrown)) ? retriable : null
}

function envelopeOf(thrown: unknown): v1.Error.$Properties {
  return {
    code: codeOf(thrown).slice(0, MAX_CODE_LENGTH),
    message: (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, MAX_MESSAGE_LENGTH),
    retriable: retriableOf(thrown),
    details: detailsOf(thrown),
    stack: stackOf(thrown),
  }
}

/** The handler has ended well. */
export function completed(outputs: v1.Output.$Properties[]): Answer {
  return { status: Status.STATUS_COMPLETED, outputs }
}

/** The handler threw this. */
export function failed(thrown: unknown): Answer {
  const error = envelopeOf(thrown)
  const outcome = outcomeOf(thrown)
  switch (outcome?.kind) {
    case undefined:
      return { status: Status.STATUS_FAILED, error }
    case 'retry':
      return { status: Status.STATUS_RETRY, error, delayMs: Math.min(Math.ceil(outcome.delay), MAX_DELAY_MS) }
    case 'drop':
      return { status: Status.STATUS_DROP, error }
    case 'deadLetter':
      return { status: Status.STATUS_DEAD_LETTER, error }
    case 'fatal':
      return { status: Status.STATUS_FATAL, error }
  }
}
