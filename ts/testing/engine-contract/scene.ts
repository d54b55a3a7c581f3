/**
 * The scene of one case: a broker, a topic, what was produced, a ledger, and the consumers that live on it. Whatever a case
 * waits for has a deadline, and nothing of it outlives the case.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ParallelConsumerOptions } from '../../config.js'
import { type CloseOptions, ParallelConsumer } from '../../consumer.js'
import type { Engine, Handler, StopMode } from '../../ports/engine.js'
import type { Logger } from '../../ports/logger.js'
import { MockBroker } from '../mock-broker.js'
import { digestOf, type LedgerLine, type Orders, obedientHandler } from '../obedient-handler.js'
import { TestProducer } from '../test-producer.js'
import { broken, expect } from './broken.js'
import type { EngineContract } from './engine-contract.js'
import { at, Ledger, type Run, readLines } from './ledger.js'

const LOOK_MS = 10
/** Generous for a busy machine; the second member of a group waits nearly as long on the embedded broker. */
const SESSION_TIMEOUT_MS = 3_000
const HEARTBEAT_MS = 500
/** Above the largest message of the suite. */
const MAX_MESSAGE_BYTES = 4_000_000
const RETRY_DELAY_MS = 5
/** For an abort, which waits for nothing. */
const CLEAN_UP_MS = 10_000

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export interface Draft {
  readonly key?: string | Uint8Array | null
  /** What its handler is to do, or any bytes. Default: `{}`. */
  readonly value?: Orders | Uint8Array | null
  readonly headers?: readonly (readonly [string, Uint8Array | null])[]
  /** Default: 0. */
  readonly partition?: number
}

export interface Produced {
  readonly partition: number
  readonly offset: number
  readonly orders: Orders
  readonly digest: string
}

export type ConsumerOptions = Omit<Partial<ParallelConsumerOptions>, 'kafka' | 'topics' | 'engine' | 'deserialize'>

/** A consumer that runs. */
export class Life {
  readonly consumer: ParallelConsumer
  readonly #scene: Scene
  /** Why `run()` rejected; undefined where it resolved. */
  readonly #ending: Promise<unknown>
  hasEnded = false
  error: unknown

  constructor(scene: Scene, consumer: ParallelConsumer, handler: Handler | undefined) {
    this.#scene = scene
    this.consumer = consumer
    const ended = (error?: unknown) => {
      this.hasEnded = true
      this.error = error
    }
    this.#ending = consumer.run(handler).then(() => ended(), ended)
  }

  /** Settled, and committed. */
  get committed(): number {
    const { partitions } = this.consumer.stats()
    return partitions.reduce((sum, { committed }) => sum + Math.max(committed, 0), 0)
  }

  /** @throws LanewayError `CONTRACT_BROKEN` where it does not come true in time, or `run()` has ended before */
  async until(what: string, isSo: () => boolean): Promise<void> {
    await this.#scene.until(what, () => {
      if (isSo()) return true
      if (this.hasEnded) broken(what, `run() has ended before, with ${String(this.error)}`)
      return false
    })
  }

  /** Everything that was produced is settled, and the end of the log committed. */
  async untilAllIsCommitted(): Promise<void> {
    const { produced } = this.#scene
    await this.until('every message is settled, and the end of the log committed', () => {
      return this.committed === produced.length
    })
  }

  async close(mode: StopMode = 'drain', options: CloseOptions = {}): Promise<void> {
    await this.#scene.within(`close() resolves, and run() with it (${mode})`, this.consumer.close({ mode, ...options }))
    await this.ended()
  }

  /** Resolves when `run()` has ended, one way or the other. */
  async ended(): Promise<void> {
    await this.#scene.within('run() ends', this.#ending)
  }
}

export class Scene {
  readonly topic = `contract-${randomBytes(4).toString('hex')}`
  readonly produced: Produced[] = []
  readonly #contract: EngineContract
  readonly #folder = mkdtempSync(join(tmpdir(), 'laneway-contract-'))
  readonly #ledger = join(this.#folder, 'ledger.jsonl')
  readonly #broker = new MockBroker()
  readonly #producer: TestProducer
  readonly #nextOffsets: number[]
  readonly #lives: Life[] = []
  readonly #onEnd: (() => unknown)[] = []
  readonly #until: number

  constructor(contract: EngineContract, { partitions = 1 } = {}) {
    this.#contract = contract
    this.#until = performance.now() + (contract.deadline ?? 60_000)
    this.#nextOffsets = Array.from({ length: partitions }, () => 0)
    this.#broker.createTopic(this.topic, partitions)
    this.#producer = new TestProducer({
      'bootstrap.servers': this.#broker.bootstrapServers,
      'message.max.bytes': String(MAX_MESSAGE_BYTES),
    })
  }

  get partitions(): number {
    return this.#nextOffsets.length
  }

  async produce(drafts: Iterable<Draft>): Promise<void> {
    for (const { key = null, value = {}, headers = [], partition = 0 } of drafts) {
      const isOrders = value !== null && !(value instanceof Uint8Array)
      const bytes = isOrders ? Buffer.from(JSON.stringify(value)) : value
      await this.#producer.send({ topic: this.topic, partition, key, value: bytes, headers })
      const offset = this.#nextOffsets[partition] ?? 0
      this.#nextOffsets[partition] = offset + 1
      const digest = digestOf({
        key: key === null ? null : Buffer.from(key),
        value: bytes === null ? null : Buffer.from(bytes),
        headers: headers.map(([name, content]) => [name, content === null ? null : Buffer.from(content)]),
      })
      this.produced.push({ partition, offset, orders: isOrders ? value : {}, digest })
    }
    await this.#producer.flush()
  }

  /** Runs a consumer with the engine that is tested. */
  async begin(options: ConsumerOptions = {}, { startDelayMs = 0 } = {}): Promise<Life> {
    const ledger = this.#ledger
    const onEnd = (end: () => unknown) => void this.#onEnd.push(end)
    const engine = await this.#contract.createEngine({ ledger, startDelayMs, onEnd })
    const handler = engine.handlers === 'elsewhere' ? undefined : obedientHandler({ ledger })
    return this.#begin(handler, { retry: { maxAttempts: 10, delay: RETRY_DELAY_MS }, ...options }, engine)
  }

  /** Another consumer, with the default engine, whose handler is the case's own. */
  beginOther(handler: Handler, topic = this.topic): Life {
    return this.#begin(handler, {}, undefined, topic)
  }

  #begin(handler: Handler | undefined, options: ConsumerOptions, engine: Engine | undefined, topic = this.topic): Life {
    const consumer = new ParallelConsumer({
      kafka: {
        'bootstrap.servers': this.#broker.bootstrapServers,
        'group.id': `group-of-${topic}`,
        'session.timeout.ms': SESSION_TIMEOUT_MS,
        'heartbeat.interval.ms': HEARTBEAT_MS,
      },
      topics: [topic],
      commitInterval: 50,
      logger: silent,
      ...options,
      ...(engine === undefined ? {} : { engine }),
    })
    const life = new Life(this, consumer, handler)
    this.#lives.push(life)
    return life
  }

  createTopic(topic: string): void {
    this.#broker.createTopic(topic)
  }

  lines(): LedgerLine[] {
    return readLines(this.#ledger)
  }

  /** @throws LanewayError `CONTRACT_BROKEN` where the order of a lane does not hold */
  ledger(options?: { readonly mayDie?: boolean }): Ledger {
    return new Ledger(this.lines(), options)
  }

  /** The last attempt of each message has ended, it is the one that the orders say, and it saw what was produced. */
  checkAllRan(ledger: Ledger): void {
    for (const message of this.produced) {
      const runs = ledger.attempts(message)
      const last = runs.at(-1)
      if (last?.endedAt === undefined) broken('every message is handled to its end', at(message))
      const { failUntil = 1, crashUntil = 1 } = message.orders
      const wanted = Math.max(failUntil, crashUntil)
      expect(last.attempt >= wanted, 'a failed attempt is followed by another one', () => {
        return `${at(message)} was left at attempt ${last.attempt} of ${wanted}`
      })
      this.#checkContent(message, runs)
    }
  }

  #checkContent(message: Produced, runs: readonly Run[]): void {
    for (const { digest } of runs) {
      expect(digest === message.digest, 'a handler gets what was produced', () => at(message))
    }
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (performance.now() > this.#until) broken(what, 'not within the deadline of its case')
      await sleep(LOOK_MS)
    }
  }

  async within<T>(what: string, promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const leftMs = Math.max(this.#until - performance.now(), 0)
      timer = setTimeout(() => {
        try {
          broken(what, 'not within the deadline of its case')
        } catch (error) {
          reject(error)
        }
      }, leftMs)
    })
    return Promise.race([promise, late]).finally(() => clearTimeout(timer))
  }

  /** @throws LanewayError `CONTRACT_BROKEN` where a consumer does not close */
  async end(): Promise<void> {
    const closing = this.#lives.map(({ consumer }) => consumer.close({ mode: 'abort' }))
    // What cannot be closed has broken its contract before, or does so now: what is left is cleared away all the same.
    const patience = new AbortController()
    const late = sleep(CLEAN_UP_MS, 'late', { signal: patience.signal }).catch(() => 'in time')
    const ended = await Promise.race([Promise.allSettled(closing), late])
    patience.abort()
    await Promise.allSettled(this.#onEnd.map((end) => end()))
    await this.#producer.close()
    this.#broker.close()
    rmSync(this.#folder, { recursive: true, force: true })
    if (ended === 'late') broken('close() resolves', `an abort did not end within ${CLEAN_UP_MS} ms`)
  }
}
