/** What a dead letter says besides the message that it carries: where it goes, and the `laneway.*` headers. */
import type { ConsumerConfig } from './config.js'
import { LanewayError } from './errors.js'
import type { DeadLetter, FailedAttempt, Message } from './ports/engine.js'
import { callUserFunction, wrongFunction } from './user-function.js'

/** An error's text may be as long as a payload; a header that a broker refuses would stop the letter. */
const MAX_TEXT = 1024

/** The headers that are added to the message's own, in this order. */
export const DEAD_LETTER_HEADERS = {
  topic: 'laneway.topic',
  partition: 'laneway.partition',
  offset: 'laneway.offset',
  attempts: 'laneway.attempts',
  reason: 'laneway.reason',
  errorClass: 'laneway.error.class',
  errorMessage: 'laneway.error.message',
  /** When it was given up, as ISO 8601. */
  time: 'laneway.time',
} as const

function topicOf(topic: string | ((message: Message) => string), message: Message): string {
  if (typeof topic === 'string') return topic
  const name: unknown = callUserFunction('deadLetter.topic', () => topic(message))
  if (typeof name === 'string' && name !== '') return name
  throw wrongFunction('deadLetter.topic', `it returned ${String(name)}; expected the name of a topic`)
}

function classOf(error: unknown): string {
  if (LanewayError.is(error)) return error.code
  return error instanceof Error ? error.name : typeof error
}

/** @throws LanewayError `CONFIG_INVALID` where the function of the option `topic` fails */
export function letterOf(
  { message, attempt, error }: FailedAttempt,
  reason: string,
  { topic, payload }: NonNullable<ConsumerConfig['deadLetter']>,
): DeadLetter {
  const errorMessage = error instanceof Error ? error.message : String(error)
  const names = DEAD_LETTER_HEADERS
  const headers = [
    [names.topic, message.topic],
    [names.partition, String(message.partition)],
    [names.offset, String(message.offset)],
    [names.attempts, String(attempt)],
    [names.reason, reason.slice(0, MAX_TEXT)],
    [names.errorClass, classOf(error).slice(0, MAX_TEXT)],
    [names.errorMessage, errorMessage.slice(0, MAX_TEXT)],
    [names.time, new Date().toISOString()],
  ]
  return { topic: topicOf(topic, message), withPayload: payload === 'full', headers: headers.flat() }
}
