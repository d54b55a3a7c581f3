/**
 * What a handler threw, on its way to the thread that decides what becomes of its message. Anything can be thrown, and much
 * of it cannot be cloned: what crosses is text, numbers and the like, bounded, and made into an error again over there. What
 * laneway itself gives a meaning to (its own errors, and the outcomes of outcomes.ts) keeps it.
 */
import { inspect } from 'node:util'
import { type ErrorCode, LanewayError, type LanewayErrorOptions } from '../../errors.js'
import { DeadLetterMessage, DropMessage, FatalError, type Outcome, outcomeOf, RetryMessage } from '../../outcomes.js'

/** Causes of causes. */
const MAX_DEPTH = 8
const MAX_TEXT = 16 * 1024
const MAX_FIELDS = 32
const MAX_FIELD_TEXT = 1024

type Primitive = string | number | boolean | bigint | null | undefined

interface ErrorText {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly cause: Envelope | undefined
  /** What it had besides, where it is simple: `code`, `status`, `retriable` and such, which a policy may ask for. */
  readonly fields: Readonly<Record<string, Primitive>>
}

export type Envelope =
  | { readonly kind: 'value'; readonly value: Primitive }
  | ({ readonly kind: 'error' } & ErrorText)
  | ({ readonly kind: 'outcome'; readonly outcome: Outcome } & ErrorText)
  | ({ readonly kind: 'laneway'; readonly code: ErrorCode; readonly options: LanewayErrorOptions } & ErrorText)

const cut = (text: string, most = MAX_TEXT): string => text.slice(0, most)

function isPrimitive(value: unknown): value is Primitive {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
}

/** What an object has under this name; nothing where its getter throws. */
function read(from: object, name: string): unknown {
  try {
    return (from as Readonly<Record<string, unknown>>)[name]
  } catch {
    return undefined
  }
}

function textOf(from: object, name: string): string | undefined {
  const value = read(from, name)
  return typeof value === 'string' ? cut(value) : undefined
}

function fieldsOf(error: object): Record<string, Primitive> {
  const fields: Record<string, Primitive> = {}
  // Also where they are a getter of their class.
  const names = new Set(['code', 'retriable', ...Object.keys(error)])
  for (const name of [...names].slice(0, MAX_FIELDS)) {
    const value = read(error, name)
    if (value === undefined || !isPrimitive(value)) continue
    fields[name] = typeof value === 'string' ? cut(value, MAX_FIELD_TEXT) : value
  }
  return fields
}

function errorText(error: Error, depth: number): ErrorText {
  const cause = read(error, 'cause')
  return {
    name: textOf(error, 'name') ?? 'Error',
    message: textOf(error, 'message') ?? '',
    stack: textOf(error, 'stack'),
    cause: cause === undefined || depth === MAX_DEPTH ? undefined : wrap(cause, depth + 1),
    fields: fieldsOf(error),
  }
}

function wrap(thrown: unknown, depth: number): Envelope {
  if (isPrimitive(thrown)) return { kind: 'value', value: typeof thrown === 'string' ? cut(thrown) : thrown }
  if (!(thrown instanceof Error)) return { kind: 'value', value: cut(inspect(thrown)) }
  const text = errorText(thrown, depth)
  const outcome = outcomeOf(thrown)
  if (outcome !== undefined) return { kind: 'outcome', outcome, ...text }
  if (!LanewayError.is(thrown)) return { kind: 'error', ...text }
  const { code, kafkaError, retriable, fatal, issues, details } = thrown
  return { kind: 'laneway', code, options: { kafkaError, retriable, fatal, issues, details }, ...text }
}

/** Never fails, whatever was thrown. */
export function envelopeOf(thrown: unknown): Envelope {
  try {
    return wrap(thrown, 0)
  } catch {
    return { kind: 'value', value: 'an error that cannot be read' }
  }
}

function outcomeError(outcome: Outcome, message: string, cause: unknown): Error {
  switch (outcome.kind) {
    case 'retry':
      return new RetryMessage({ delay: outcome.delay, cause })
    case 'drop':
      return new DropMessage(outcome.reason, { cause })
    case 'deadLetter':
      return new DeadLetterMessage(outcome.reason, { cause })
    case 'fatal':
      return new FatalError(message, { cause })
  }
}

/** The error of an envelope: its class only by name, except for laneway's own. */
export function thrownOf(envelope: Envelope): unknown {
  if (envelope.kind === 'value') return envelope.value
  const { name, message, stack, fields } = envelope
  const cause = envelope.cause === undefined ? undefined : thrownOf(envelope.cause)
  const asItWas = { value: stack, configurable: true, writable: true }
  switch (envelope.kind) {
    case 'outcome':
      return Object.defineProperty(outcomeError(envelope.outcome, message, cause), 'stack', asItWas)
    case 'laneway':
      return Object.defineProperty(
        new LanewayError(envelope.code, message, { ...envelope.options, cause }),
        'stack',
        asItWas,
      )
    case 'error': {
      const error = Object.assign(new Error(message, cause === undefined ? undefined : { cause }), fields)
      Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
      return Object.defineProperty(error, 'stack', asItWas)
    }
  }
}
