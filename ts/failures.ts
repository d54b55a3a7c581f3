/**
 * What becomes of a failed attempt: retried, dead-lettered, dropped, blocked, or the end of the consumer. All of it is
 * decided here, and nothing is done here: the engine settles, native code delivers.
 *
 * In this order: what the handler has thrown on purpose; a message that cannot be decoded; the retry policy; and, where
 * that gives up, the dead-letter topic or else the option `onExhausted`.
 */
import type { ConsumerConfig } from './config.js'
import { WorkerError } from './contracts/worker-error.js'
import { letterOf } from './dead-letter.js'
import { LanewayError } from './errors.js'
import { outcomeOf } from './outcomes.js'
import type { FailedAttempt, FailureDecision } from './ports/engine.js'
import type { Logger } from './ports/logger.js'
import { callUserFunction, wrongFunction } from './user-function.js'

/** More reasons than this are counted as one: a reason with an id in it must not grow without end. */
const MAX_REASONS = 100
const OTHER_REASONS = 'other'
const LOG_INTERVAL_MS = 60_000

/** Why the consumer stops, and whether running handlers may end first. */
export type Stop = (error: LanewayError) => void

const where = ({ message: { topic, partition, offset } }: FailedAttempt): string =>
  `${topic} [${partition}] at offset ${offset}`
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** @throws LanewayError `CONFIG_INVALID` where the user's function fails or returns what is no number of ms */
function delayAfter(delay: ConsumerConfig['retry']['delay'], attempt: number): number {
  if (typeof delay === 'number') return delay
  const delayMs = callUserFunction('retry.delay', () => delay(attempt))
  if (typeof delayMs === 'number' && Number.isFinite(delayMs)) return delayMs
  throw wrongFunction('retry.delay', `it returned ${String(delayMs)} for attempt ${attempt}; expected a number of ms`)
}

/** Drops by reason: counted for good, logged once per reason and interval. */
class Drops {
  readonly #counts = new Map<string, number>()
  readonly #loggedAt = new Map<string, number>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(reason: string, failed: FailedAttempt): void {
    const isKnown = this.#counts.has(reason) || this.#counts.size < MAX_REASONS
    const counted = isKnown ? reason : OTHER_REASONS
    const count = (this.#counts.get(counted) ?? 0) + 1
    this.#counts.set(counted, count)
    const now = performance.now()
    const loggedAt = this.#loggedAt.get(counted)
    if (loggedAt !== undefined && now - loggedAt < LOG_INTERVAL_MS) return
    this.#loggedAt.set(counted, now)
    const { topic, partition, offset } = failed.message
    this.#logger.warn(`dropped ${where(failed)}: ${reason}`, { topic, partition, offset, reason, count })
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}

export class Failures {
  readonly #config: ConsumerConfig
  readonly #stop: Stop
  readonly #drops: Drops

  constructor(config: ConsumerConfig, stop: Stop) {
    this.#config = config
    this.#stop = stop
    this.#drops = new Drops(config.logger)
  }

  /** Messages dropped so far, by reason. */
  drops(): Readonly<Record<string, number>> {
    return this.#drops.counts()
  }

  decide(failed: FailedAttempt): FailureDecision {
    try {
      return this.#decide(failed)
    } catch (error) {
      // An option of the user's, or this file: a message must not be lost for it.
      return this.#end(LanewayError.is(error) ? error : new LanewayError('INTERNAL', textOf(error), { cause: error }))
    }
  }

  #decide(failed: FailedAttempt): FailureDecision {
    const outcome = outcomeOf(failed.error)
    switch (outcome?.kind) {
      case 'fatal': {
        const text = `the handler of ${where(failed)} ends the consumer: ${textOf(failed.error)}`
        return this.#end(new LanewayError('FATAL_HANDLER', text, { cause: failed.error, fatal: true }))
      }
      case 'drop':
        return this.#drop(failed, outcome.reason)
      case 'deadLetter':
        return this.#giveUp(failed, outcome.reason)
      case 'retry':
        return this.#retry(failed, outcome.delay)
    }
    if (failed.attempt === 0) return this.#giveUp(failed, 'its key is poison')
    if (LanewayError.is(failed.error) && failed.error.code === 'DESERIALIZATION_FAILED')
      return this.#undecodable(failed)
    const { retry } = this.#config
    if (failed.attempt >= retry.maxAttempts) return this.#giveUp(failed, 'its attempts are used up')
    if (!this.#isRetryable(failed)) return this.#giveUp(failed, 'its error is not retryable')
    return this.#retry(failed, delayAfter(retry.delay, failed.attempt))
  }

  #isRetryable(failed: FailedAttempt): boolean {
    if (WorkerError.is(failed.error) && failed.error.retriable === false) return false
    const { retryable } = this.#config.retry
    if (retryable === undefined) return true
    const { error, message, attempt, firstFailedAt } = failed
    return callUserFunction('retry.retryable', () => retryable(error, { message, attempt, firstFailedAt }))
  }

  #undecodable(failed: FailedAttempt): FailureDecision {
    const onError = this.#config.deserialize?.onError ?? 'stop'
    if (onError === 'drop') return this.#drop(failed, 'it cannot be decoded')
    if (onError === 'deadLetter') return this.#giveUp(failed, 'it cannot be decoded')
    return this.#end(failed.error as LanewayError)
  }

  #retry(failed: FailedAttempt, delayMs: number): FailureDecision {
    const { message, attempt, error } = failed
    const { topic, partition, offset } = message
    const fields = { topic, partition, offset, attempt, delayMs, error }
    this.#config.logger.warn(`attempt ${attempt} of ${where(failed)} failed`, fields)
    return { kind: 'retry', delayMs }
  }

  #drop(failed: FailedAttempt, reason: string): FailureDecision {
    this.#drops.add(reason, failed)
    return { kind: 'drop' }
  }

  #giveUp(failed: FailedAttempt, reason: string): FailureDecision {
    const { deadLetter, onExhausted, logger } = this.#config
    const { topic, partition, offset } = failed.message
    const fields = { topic, partition, offset, attempt: failed.attempt, reason, error: failed.error }
    if (deadLetter !== undefined) {
      const letter = letterOf(failed, reason, deadLetter)
      logger.warn(`${where(failed)} goes to ${letter.topic}: ${reason}`, fields)
      return { kind: 'deadLetter', letter }
    }
    switch (onExhausted) {
      case 'drop':
        return this.#drop(failed, reason)
      case 'block':
        logger.error(`${where(failed)} blocks its lane until the consumer is restarted: ${reason}`, fields)
        return { kind: 'block' }
      case 'stop': {
        const details = { topic, partition, offset, attempts: failed.attempt }
        const text = `${where(failed)} failed ${failed.attempt} times, the last time with: ${textOf(failed.error)} (${reason})`
        return this.#end(new LanewayError('RETRIES_EXHAUSTED', text, { cause: failed.error, details, fatal: true }))
      }
    }
  }

  #end(error: LanewayError): FailureDecision {
    this.#stop(error)
    return { kind: 'stop' }
  }
}
