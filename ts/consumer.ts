/**
 * ParallelConsumer: the façade. It checks options, connects an engine with the native consumer, decides what becomes of
 * a failed attempt, and turns native events into logs, diagnostics and the end of `run()`. It never touches a message on
 * its way.
 */
import { channel } from 'node:diagnostics_channel'
import { type ConsumerConfig, type ParallelConsumerOptions, parseCloseOptions, parseConfig } from './config.js'
import { fromRaw, LanewayError, translate } from './errors.js'
import { addon, type RawConsumer, type RawEvent, type RawStats, type RawTopicPartition } from './native.js'
import type { EngineHost, FailureDecision, Handler, Message, StopMode } from './ports/engine.js'
import type { Logger } from './ports/logger.js'

export interface CloseOptions {
  /** `drain` (default): running handlers may end. `abort`: their signals fire, and they are not waited for. */
  readonly mode?: StopMode
  /** ms that `drain` waits before it aborts, at most a day. Default: the option `closeTimeout`. */
  readonly deadline?: number
}

/** Numbers of one moment; see RawStats and RawPartitionStats for each. */
export type ConsumerStats = RawStats

/** Everything that a consumer tells (not: messages) goes to `laneway:<kind>` channels, for tracing tools. */
const channels = {
  assigned: channel('laneway:assigned'),
  revoked: channel('laneway:revoked'),
  committed: channel('laneway:committed'),
  fatal: channel('laneway:fatal'),
  warning: channel('laneway:warning'),
  log: channel('laneway:log'),
}

const SYSLOG_ERROR = 3
const SYSLOG_WARNING = 4
const SYSLOG_INFO = 6

/** librdkafka wants strings. */
function toProperties(kafka: ConsumerConfig['kafka']): Record<string, string> {
  return Object.fromEntries(Object.entries(kafka).map(([name, value]) => [name, String(value)]))
}

/** @throws LanewayError `CONFIG_INVALID` where the user's function fails or returns what is no number of ms */
function delayAfter(delay: ConsumerConfig['retry']['delay'], attempt: number): number {
  if (typeof delay === 'number') return delay
  let delayMs: unknown
  let cause: unknown
  try {
    delayMs = delay(attempt)
  } catch (error) {
    cause = error
  }
  if (typeof delayMs === 'number' && Number.isFinite(delayMs)) return delayMs
  const seen = cause === undefined ? `returned ${String(delayMs)}` : `threw ${String(cause)}`
  const message = `it ${seen} for attempt ${attempt}; expected a number of ms`
  const issues = [{ field: 'retry.delay', message }]
  throw new LanewayError('CONFIG_INVALID', `retry.delay: ${message}`, { cause, issues, fatal: true })
}

/** What ends `run()` is a LanewayError, also where an engine or this file is at fault. */
function typed(error: unknown): LanewayError {
  if (LanewayError.is(error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new LanewayError('INTERNAL', `the engine failed: ${reason}`, { cause: error, fatal: true })
}

/**
 * Consumes topics in parallel inside each partition, in the order that the option `order` asks for, and commits only
 * what is settled.
 *
 * @example
 * await using consumer = new ParallelConsumer({ kafka: { 'bootstrap.servers': 'localhost:9092', 'group.id': 'g' }, topics: ['t'] })
 * await consumer.run(async (message) => { await work(message) })
 */
export class ParallelConsumer implements AsyncDisposable {
  readonly #config: ConsumerConfig
  readonly #logger: Logger
  readonly #raw: RawConsumer
  readonly #partitions: RawTopicPartition[] = []
  #state: 'new' | 'running' | 'closed' = 'new'
  #closing: Promise<void> | undefined
  #failure: LanewayError | undefined
  #finish: () => void = () => undefined

  /** @throws LanewayError `CONFIG_INVALID`: every wrong option is named; nothing is connected yet */
  constructor(options: ParallelConsumerOptions) {
    const config = parseConfig(options)
    this.#config = config
    this.#logger = config.logger
    this.#raw = translate(
      () =>
        new addon.Consumer({
          properties: toProperties(config.kafka),
          topics: config.topics,
          order: config.order,
          concurrency: config.concurrency,
          maxBufferedMessages: config.maxBufferedMessages,
          maxBufferedBytes: config.maxBufferedBytes,
          maxRunLength: config.maxRunLength,
          commitIntervalMs: config.commitInterval,
          rebalanceTimeoutMs: config.rebalanceTimeout,
          metadataFormat: config.metadata.format,
          metadataCarrier: config.metadata.carrier,
          metadataMaxUnits: config.metadata.maxUnits,
          onEvent: (event) => this.#onEvent(event),
        }),
    )
  }

  /**
   * Subscribes, and runs `handler` for every message until the consumer is closed. A handler settles its message by
   * returning; when it throws, the message is tried again by the policy of the option `retry`.
   *
   * @returns a promise that resolves after {@link close}
   * @throws LanewayError for everything that ends the consumer, e.g. `RETRIES_EXHAUSTED`, `AUTHORIZATION_FAILED`,
   * `TOPIC_UNKNOWN`; what was settled is committed first
   */
  async run(handler: Handler): Promise<void> {
    if (typeof handler !== 'function') {
      const issues = [{ field: 'handler', message: 'must be a function' }]
      throw new LanewayError('CONFIG_INVALID', 'handler: must be a function', { issues })
    }
    if (this.#state === 'running') throw new LanewayError('ALREADY_RUNNING', 'this consumer runs already')
    if (this.#state === 'closed') throw new LanewayError('CONSUMER_CLOSED', 'this consumer is closed')
    this.#state = 'running'
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve
    })
    // Not awaited: an engine that never ends to start must not keep run() from ending.
    this.#start(handler).catch((error: unknown) => this.#fail(error))
    await finished
    await this.#closing
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Stops taking messages, lets running handlers end (or not), commits, and leaves the group. Idempotent; a second call
   * may turn `drain` into `abort`.
   *
   * @throws LanewayError `CONFIG_INVALID` for a wrong option; the consumer then goes on
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { mode, deadline = this.#config.closeTimeout } = parseCloseOptions(options)
    const running = this.#state === 'running'
    this.#state = 'closed'
    this.#raw.stopTaking()
    if (this.#closing === undefined) {
      this.#closing = this.#close(running, mode, deadline)
      this.#finish()
    } else if (mode === 'abort') {
      await this.#config.engine.stop('abort', 0)
    }
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What the consumer holds and has done, at this moment. */
  stats(): ConsumerStats {
    return this.#raw.stats()
  }

  async #start(handler: Handler): Promise<void> {
    translate(() => this.#raw.start())
    await this.#config.engine.start(this.#hostFor(handler))
  }

  /** The group is left also where the engine cannot be stopped. */
  async #close(running: boolean, mode: StopMode, deadline: number): Promise<void> {
    try {
      if (running) await this.#stopEngine(mode, deadline)
    } catch (error) {
      this.#note(error)
    }
    await this.#raw.close()
  }

  async #stopEngine(mode: StopMode, deadline: number): Promise<void> {
    const { engine } = this.#config
    await engine.stop(mode, deadline)
    if (mode === 'drain') await engine.stop('abort', 0)
  }

  #hostFor(handler: Handler): EngineHost {
    return {
      handler,
      attach: (onReady) => translate(() => this.#raw.attach(onReady)),
      partition: (id) => this.#partition(id),
      decide: (error, message, attempt) => this.#decide(error, message, attempt),
      fail: (error) => this.#fail(error),
    }
  }

  /** Ids never change their meaning, so that each is asked for once. */
  #partition(id: number): RawTopicPartition {
    const known = this.#partitions[id]
    if (known !== undefined) return known
    const at = this.#raw.partition(id)
    this.#partitions[id] = at
    return at
  }

  #decide(error: unknown, message: Message, attempt: number): FailureDecision {
    if (this.#failure !== undefined) return { kind: 'stop' }
    const { maxAttempts, delay } = this.#config.retry
    const { topic, partition, offset } = message
    const where = `${topic} [${partition}] at offset ${offset}`
    if (attempt >= maxAttempts) {
      const reason = error instanceof Error ? error.message : String(error)
      const details = { topic, partition, offset, attempts: attempt }
      const text = `${where} failed ${attempt} times, the last time with: ${reason}`
      this.#fail(new LanewayError('RETRIES_EXHAUSTED', text, { cause: error, details, fatal: true }))
      return { kind: 'stop' }
    }
    try {
      const delayMs = delayAfter(delay, attempt)
      this.#logger.warn(`attempt ${attempt} of ${where} failed`, { topic, partition, offset, attempt, delayMs, error })
      return { kind: 'retry', delayMs }
    } catch (cause) {
      this.#fail(cause)
      return { kind: 'stop' }
    }
  }

  /** The consumer cannot go on: `run()` rejects with this as soon as everything is closed. */
  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    if (this.#state === 'closed') {
      // It ends as it was asked to; what is not settled comes again.
      this.#logger.warn('failed while closing', { error: typed(cause) })
      return
    }
    this.#note(cause)
    this.close({ mode: 'abort' }).catch((error: unknown) => this.#logger.error('closing failed', { error }))
  }

  /** Only the first failure is why the consumer stops. */
  #note(cause: unknown): void {
    const error = typed(cause)
    this.#logger.error('the consumer stops', { error })
    this.#failure ??= error
  }

  #onEvent(event: RawEvent): void {
    channels[event.kind].publish(event)
    switch (event.kind) {
      case 'assigned':
        this.#logger.info('partitions assigned', { partitions: event.partitions })
        return
      case 'revoked':
        this.#logger.info(event.lost ? 'partitions lost' : 'partitions revoked', { partitions: event.partitions })
        return
      case 'committed':
        this.#logger.debug('committed', { partitions: event.partitions })
        return
      case 'warning':
        this.#logger.warn(event.message, { code: event.code, kafkaError: event.kafkaError })
        return
      case 'fatal':
        this.#fail(fromRaw(event))
        return
      case 'log':
        this.#log(event.level, `${event.facility}: ${event.message}`)
    }
  }

  #log(level: number, message: string): void {
    if (level <= SYSLOG_ERROR) this.#logger.error(message)
    else if (level === SYSLOG_WARNING) this.#logger.warn(message)
    else if (level <= SYSLOG_INFO) this.#logger.info(message)
    else this.#logger.debug(message)
  }
}
