/**
 * ParallelConsumer: the façade. It checks options, connects an engine with the native consumer, decides what becomes of
 * a failed attempt, and turns native events into logs, diagnostics and the end of `run()`. It never touches a message on
 * its way.
 */
import { channel } from 'node:diagnostics_channel'
import {
  type BatchOptions,
  type ConsumerConfig,
  type ParallelConsumerOptions,
  parseBatchOptions,
  parseCloseOptions,
  parseConfig,
} from './config.js'
import { decodingBatchHandler, decodingHandler } from './decoded-handlers.js'
import type { DecodedBy, Decoders } from './decoding.js'
import { fromRaw, LanewayError, translate } from './errors.js'
import { Failures } from './failures.js'
import { type ConsumerHealth, type ConsumerState, healthOf, type StandingMessage } from './health.js'
import { addon, type RawConsumer, type RawEvent, type RawStats, type RawTopicPartition } from './native.js'
import type { BatchHandler, BatchPlan, EngineHost, Handler, Message, StopMode } from './ports/engine.js'
import type { Logger } from './ports/logger.js'

export interface CloseOptions {
  /**
   * `drain` (default): running handlers may end, and dead letters arrive. `abort`: the handlers' signals fire, and
   * nothing is waited for.
   */
  readonly mode?: StopMode
  /** ms that `drain` waits before it aborts, at most a day. Default: the option `closeTimeout`. */
  readonly deadline?: number
}

/** Numbers of one moment; see RawStats and RawPartitionStats for each. */
export interface ConsumerStats extends RawStats {
  /** The messages whose handlers have run longest, the longest first: one that never ends is seen here. At most 10. */
  readonly longestRunning: readonly StandingMessage[]
  /** Messages dropped, by reason; at most some 100 reasons, the rest as `other`. */
  readonly drops: Readonly<Record<string, number>>
}

/** What a handler gets: the message as it came, or decoded where the option `deserialize` says how. */
export type MessageOf<D extends Decoders> = [Extract<keyof D, 'key' | 'value'>] extends [never] ? Message : DecodedBy<D>

/** Everything that a consumer tells (not: messages) goes to `laneway:<kind>` channels, for tracing tools. */
const channels = {
  assigned: channel('laneway:assigned'),
  revoked: channel('laneway:revoked'),
  committed: channel('laneway:committed'),
  fatal: channel('laneway:fatal'),
  warning: channel('laneway:warning'),
  log: channel('laneway:log'),
  statistics: channel('laneway:statistics'),
}

/** How long close() waits for dead letters before it looks whether it is still to wait. */
const DRAIN_SLICE_MS = 50
/** How many handlers health() and stats() name. */
const LONGEST_RUNNING = 10

const SYSLOG_ERROR = 3
const SYSLOG_WARNING = 4
const SYSLOG_INFO = 6

/** librdkafka wants strings. */
function toProperties(kafka: ConsumerConfig['kafka']): Record<string, string> {
  return Object.fromEntries(Object.entries(kafka).map(([name, value]) => [name, String(value)]))
}

/** Stands where a handler would, for engines that bring their own along. */
function elsewhere(): never {
  throw new LanewayError('INTERNAL', 'the handlers of this engine are elsewhere')
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
export class ParallelConsumer<const D extends Decoders = Record<never, never>> implements AsyncDisposable {
  readonly #config: ConsumerConfig
  readonly #logger: Logger
  readonly #failures: Failures
  readonly #partitions: RawTopicPartition[] = []
  #raw: RawConsumer
  #state: 'new' | 'running' | 'closed' = 'new'
  #wasAssigned = false
  #isOver = false
  #isAborted = false
  #closing: Promise<void> | undefined
  #failure: LanewayError | undefined
  #finish: () => void = () => undefined

  /** @throws LanewayError `CONFIG_INVALID`: every wrong option is named; nothing is connected yet */
  constructor(options: ParallelConsumerOptions<D>) {
    const config = parseConfig(options)
    this.#config = config
    this.#logger = config.logger
    // Others may end what they do: their messages are settled then, and not run again after a restart.
    this.#failures = new Failures(config, (error) => this.#fail(error, 'drain'))
    this.#raw = this.#createRaw()
  }

  /**
   * Subscribes, and runs `handler` for every message until the consumer is closed. A handler settles its message by
   * returning; when it throws, the options `retry`, `deadLetter` and `onExhausted` say what becomes of it, or what it
   * has thrown: {@link RetryMessage}, {@link DropMessage}, {@link DeadLetterMessage} or {@link FatalError}.
   *
   * @param handler none where the engine brings its own along, as `workerThreads()` does
   * @returns a promise that resolves after {@link close}
   * @throws LanewayError for everything that ends the consumer, e.g. `RETRIES_EXHAUSTED`, `AUTHORIZATION_FAILED`,
   * `TOPIC_UNKNOWN`; what was settled is committed first
   */
  async run(handler?: Handler<MessageOf<D>>): Promise<void> {
    this.#requireNew(handler)
    this.#state = 'running'
    await this.#run({
      handler: handler === undefined ? elsewhere : this.#decoding<Handler<never>, Handler>(handler, decodingHandler),
    })
  }

  /**
   * The same for batches: `handler` gets several messages at once, and says through its context what becomes of single
   * ones. Where it says nothing, all are settled when it returns, and have failed when it throws.
   *
   * @throws LanewayError as {@link run}, and `CONFIG_INVALID` for a wrong option
   */
  async runBatches(handler: BatchHandler<MessageOf<D>>, options?: BatchOptions): Promise<void>
  /** Where the engine brings its handler along. */
  async runBatches(options?: BatchOptions): Promise<void>
  async runBatches(...[first, second]: unknown[]): Promise<void> {
    const isElsewhere = this.#config.engine.handlers === 'elsewhere' && typeof first !== 'function'
    const handler = isElsewhere ? undefined : (first as BatchHandler<MessageOf<D>>)
    const { linger, sameKey, ...plan } = parseBatchOptions((isElsewhere ? first : second) ?? {}, this.#config)
    this.#requireNew(handler)
    this.#state = 'running'
    const batches = {
      ...plan,
      lingerMs: linger,
      handler:
        handler === undefined
          ? elsewhere
          : this.#decoding<BatchHandler<never>, BatchHandler>(handler, decodingBatchHandler),
    }
    // The one before it was never started, and has nothing that would have to be closed.
    this.#raw = this.#createRaw(batches, sameKey)
    await this.#run({ handler: () => undefined, batches })
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
      this.#isAborted = true
      await this.#config.engine.stop('abort', 0)
    }
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What the consumer holds and has done, at this moment. */
  stats(): ConsumerStats {
    const { oldest } = this.#raw.standing(LONGEST_RUNNING)
    return { ...this.#raw.stats(), longestRunning: oldest, drops: this.#failures.drops() }
  }

  /** Whether it moves, and what it waits for; meant to be asked some times a minute. */
  health(): ConsumerHealth {
    const most = Number(this.#config.kafka['max.poll.interval.ms'])
    return healthOf({
      state: this.#stateForOthers(),
      wasAssigned: this.#wasAssigned,
      maxPollIntervalMs: Number.isNaN(most) ? undefined : most,
      stats: this.#raw.stats(),
      standing: this.#raw.standing(LONGEST_RUNNING),
    })
  }

  #stateForOthers(): ConsumerState {
    if (this.#failure !== undefined) return 'failed'
    if (this.#state !== 'closed') return this.#state
    return this.#isOver ? 'closed' : 'closing'
  }

  /** @throws LanewayError `CONFIG_INVALID` for what librdkafka refuses */
  #createRaw(batches?: BatchPlan, sameKey = false): RawConsumer {
    const { kafka, poisonKeys, deadLetter, transactional, ...config } = this.#config
    const properties = toProperties(kafka)
    const isOfOneLane = batches?.lanes === 'one'
    const runLength = isOfOneLane ? batches.maxMessages : batches && !sameKey ? 1 : config.maxRunLength
    return translate(
      () =>
        new addon.Consumer({
          properties,
          topics: config.topics,
          order: config.order,
          concurrency: config.concurrency,
          maxBufferedMessages: config.maxBufferedMessages,
          maxBufferedBytes: config.maxBufferedBytes,
          maxRunLength: runLength,
          maxRunBytes: isOfOneLane ? batches.maxBytes : Number.MAX_SAFE_INTEGER,
          wholeRuns: isOfOneLane,
          lingerMs: isOfOneLane ? batches.lingerMs : 0,
          commitIntervalMs: config.commitInterval,
          rebalanceTimeoutMs: config.rebalanceTimeout,
          metadataFormat: config.metadata.format,
          metadataCarrier: config.metadata.carrier,
          metadataMaxUnits: config.metadata.maxUnits,
          waitForTopics: config.onUnknownTopic === 'wait',
          poisonAfter: poisonKeys?.after ?? 0,
          poisonCoolDownMs: poisonKeys?.coolDown ?? 0,
          poisonIsTaken: poisonKeys?.action === 'giveUp',
          maxOutputBytes: config.maxBufferedBytes,
          deadLetters: deadLetter ? { ...properties, ...toProperties(deadLetter.kafka) } : null,
          transactions: transactional
            ? { ...properties, ...toProperties(transactional.kafka), 'transactional.id': transactional.id }
            : null,
        }),
    )
  }

  #requireNew(handler: unknown): void {
    const isElsewhere = this.#config.engine.handlers === 'elsewhere'
    if (isElsewhere ? handler !== undefined : typeof handler !== 'function') {
      const message = isElsewhere ? 'must not be given: the engine brings its own along' : 'must be a function'
      throw new LanewayError('CONFIG_INVALID', `handler: ${message}`, { issues: [{ field: 'handler', message }] })
    }
    if (this.#state === 'running') throw new LanewayError('ALREADY_RUNNING', 'this consumer runs already')
    if (this.#state === 'closed') throw new LanewayError('CONSUMER_CLOSED', 'this consumer is closed')
  }

  /** The user's handler gets decoded messages where the option `deserialize` says so. */
  #decoding<H, Raw>(handler: H, wrap: (decoders: Decoders, handler: H) => Raw): Raw {
    const { deserialize } = this.#config
    const isDecoding = deserialize?.key !== undefined || deserialize?.value !== undefined
    // Without decoders MessageOf<D> is Message, so that the handler is one of messages as they came.
    return isDecoding ? wrap(deserialize, handler) : (handler as unknown as Raw)
  }

  async #run(handling: Pick<EngineHost, 'handler' | 'batches'>): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve
    })
    // Not awaited: an engine that never ends to start must not keep run() from ending.
    this.#start(handling).catch((error: unknown) => this.#fail(error))
    if (this.#closing === undefined) await finished
    await this.#closing
    if (this.#failure !== undefined) throw this.#failure
  }

  async #start(handling: Pick<EngineHost, 'handler' | 'batches'>): Promise<void> {
    translate(() => this.#raw.start((event) => this.#onEvent(event)))
    await this.#config.engine.start(this.#hostFor(handling))
  }

  /** The group is left also where the engine cannot be stopped. */
  async #close(running: boolean, mode: StopMode, deadline: number): Promise<void> {
    try {
      if (running) await this.#stopEngine(mode, deadline)
    } catch (error) {
      this.#note(error)
    }
    await this.#raw.close()
    this.#isOver = true
  }

  async #stopEngine(mode: StopMode, deadline: number): Promise<void> {
    const { engine } = this.#config
    const until = performance.now() + deadline
    await engine.stop(mode, deadline)
    if (mode === 'abort') return
    await this.#deliverDeadLetters(until)
    await engine.stop('abort', 0)
  }

  /** Letters that are on their way would be sent again after a restart; in slices, because an abort may follow. */
  async #deliverDeadLetters(until: number): Promise<void> {
    if (this.#config.deadLetter === undefined) return
    for (let left = until - performance.now(); left > 0 && !this.#isAborted; left = until - performance.now()) {
      if (await this.#raw.drained(Math.min(left, DRAIN_SLICE_MS))) return
    }
  }

  #hostFor(handling: Pick<EngineHost, 'handler' | 'batches'>): EngineHost {
    return {
      ...handling,
      handlerTimeoutMs: this.#config.handlerTimeout,
      isTransactional: this.#config.transactional !== undefined,
      token: this.#raw.token,
      logger: this.#logger,
      attach: (onReady) => translate(() => this.#raw.attach(onReady)),
      abandon: (ward) => this.#raw.abandon(ward),
      partition: (id) => this.#partition(id),
      decide: (failed) => (this.#failure === undefined ? this.#failures.decide(failed) : { kind: 'stop' }),
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

  /** The consumer cannot go on: `run()` rejects with this as soon as everything is closed. */
  #fail(cause: unknown, mode: StopMode = 'abort'): void {
    if (this.#failure !== undefined) return
    if (this.#state === 'closed') {
      // It ends as it was asked to; what is not settled comes again.
      this.#logger.warn('failed while closing', { error: typed(cause) })
      return
    }
    this.#note(cause)
    this.close({ mode }).catch((error: unknown) => this.#logger.error('closing failed', { error }))
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
        this.#wasAssigned = true
        this.#logger.info('partitions assigned', { partitions: event.partitions })
        return
      case 'revoked':
        this.#config.engine.fence?.(event.partitions)
        this.#logger.info(event.lost ? 'partitions lost' : 'partitions revoked', { partitions: event.partitions })
        return
      case 'committed':
        this.#logger.debug('committed', { partitions: event.partitions })
        return
      case 'warning':
        this.#logger.warn(event.message, { code: event.code, kafkaError: event.kafkaError })
        return
      case 'statistics':
        // For who subscribes to its channel.
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
