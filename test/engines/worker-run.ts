/** A consumer on worker threads for a test: its topic, what its handlers have written down, and its end. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  LanewayError,
  type LogFields,
  type Logger,
  ParallelConsumer,
  type ParallelConsumerOptions,
  type WorkerThreadsOptions,
  workerThreads,
} from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import * as assert from 'uvu/assert'
import type { Line, Told } from './told-handler.js'

const TOLD_HANDLER = new URL('./told-handler.js', import.meta.url)
const DEADLINE_MS = 60_000

export interface Sent {
  readonly key: string
  readonly told: Told
}

export type ConsumerOptions = Omit<Partial<ParallelConsumerOptions>, 'kafka' | 'topics' | 'engine' | 'deserialize'>

/** What a failed attempt looked like to the retry policy. */
export interface Failed {
  readonly error: unknown
  readonly key: string
  readonly value: Told
  readonly attempt: number
}

/** So many messages over so many keys, in turn. */
export function keyed(count: number, keys: number, told: (i: number) => Told = () => ({})): Sent[] {
  return Array.from({ length: count }, (_, i) => ({ key: `key ${i % keys}`, told: told(i) }))
}

export function codeOf(error: unknown): string {
  assert.ok(LanewayError.is(error), `no LanewayError: ${String(error)}`)
  return error.code
}

/** A broker and a folder for a file of tests. */
export class Bench {
  readonly broker = new MockBroker()
  readonly folder = mkdtempSync(join(tmpdir(), 'laneway-threads-'))
  #topics = 0

  close(): void {
    this.broker.close()
    rmSync(this.folder, { recursive: true })
  }

  /** A topic of its own, with these messages, in two partitions. */
  async topicOf(messages: readonly Sent[]): Promise<string> {
    this.#topics += 1
    const topic = `topic-${this.#topics}`
    this.broker.createTopic(topic, 2)
    await this.send(topic, messages)
    return topic
  }

  async send(topic: string, messages: readonly Sent[]): Promise<void> {
    await using producer = new TestProducer({ 'bootstrap.servers': this.broker.bootstrapServers })
    for (const { key, told } of messages) await producer.send({ topic, key, value: JSON.stringify(told) })
    await producer.flush()
  }

  async run(
    messages: readonly Sent[],
    engine: Partial<WorkerThreadsOptions> = {},
    options: ConsumerOptions = {},
  ): Promise<WorkerRun> {
    return this.runOn(await this.topicOf(messages), engine, options)
  }

  runOn(topic: string, engine: Partial<WorkerThreadsOptions> = {}, options: ConsumerOptions = {}): WorkerRun {
    return new WorkerRun(this, topic, engine, options)
  }
}

export class WorkerRun {
  readonly topic: string
  readonly consumer: ParallelConsumer
  readonly failed: Failed[] = []
  readonly warnings: { readonly message: string; readonly fields: LogFields | undefined }[] = []
  readonly #ledger: string
  #ended: Promise<unknown> = Promise.resolve()
  #isOver = false

  constructor(
    { broker, folder }: Bench,
    topic: string,
    engine: Partial<WorkerThreadsOptions>,
    options: ConsumerOptions,
  ) {
    this.topic = topic
    this.#ledger = join(folder, `${topic}-${Math.random()}`)
    const logger: Logger = {
      debug() {},
      info() {},
      warn: (message, fields) => this.warnings.push({ message, fields }),
      error() {},
    }
    const retryable = (
      error: unknown,
      { message, attempt }: { message: { key: Buffer | null; value: Buffer | null }; attempt: number },
    ) => {
      const value = JSON.parse(String(message.value)) as Told
      this.failed.push({ error, key: String(message.key), value, attempt })
      return true
    }
    this.consumer = new ParallelConsumer({
      kafka: {
        'bootstrap.servers': broker.bootstrapServers,
        'group.id': `group-of-${topic}`,
        // The mock waits the session timeout less a second for a group's next member after the last one has left.
        'session.timeout.ms': 1_500,
        'heartbeat.interval.ms': 300,
      },
      topics: [topic],
      commitInterval: 20,
      logger,
      retry: { maxAttempts: 5, delay: 1, retryable },
      ...options,
      engine: workerThreads({
        module: TOLD_HANDLER,
        threads: 2,
        data: { ledger: this.#ledger },
        restart: { initial: 1, max: 10 },
        ...engine,
      }),
    })
  }

  start(run: () => Promise<void> = () => this.consumer.run()): this {
    this.#ended = run().then(
      () => undefined,
      (error: unknown) => error,
    )
    void this.#ended.then(() => {
      this.#isOver = true
    })
    return this
  }

  /** What run() rejected with; undefined where it resolved. */
  get ended(): Promise<unknown> {
    return this.#ended
  }

  /** What the handlers have written, in the order in which they wrote it. */
  get lines(): Line[] {
    let text: string
    try {
      text = readFileSync(this.#ledger, 'utf8')
    } catch {
      return []
    }
    const whole = text.split('\n').slice(0, -1)
    return whole.map((line) => JSON.parse(line) as Line)
  }

  linesWith(event: Line['event'], key?: string): Line[] {
    return this.lines.filter((line) => line.event === event && (key === undefined || line.key === key))
  }

  /** Resolves when it is so, or the consumer has ended. */
  async until(condition: () => boolean): Promise<void> {
    const giveUpAt = performance.now() + DEADLINE_MS
    while (!condition() && !this.#isOver) {
      if (performance.now() > giveUpAt) assert.unreachable(`not within ${DEADLINE_MS} ms: ${String(condition)}`)
      await sleep(5)
    }
  }

  async untilSettled(count: number): Promise<void> {
    await this.until(() => this.consumer.stats().settled >= count)
  }

  /** Runs until so many messages are settled, then closes; what run() rejected with. */
  async settle(count: number): Promise<unknown> {
    this.start()
    await this.untilSettled(count)
    await this.consumer.close()
    return this.#ended
  }
}

/** P2: no two messages of a key at once, and a key's first attempts in the order of their offsets. */
export function assertKeyOrder(lines: readonly Line[]): void {
  const running = new Map<string, number>()
  const last = new Map<string, number>()
  for (const { event, key, offset, attempt } of lines) {
    const name = String(key)
    if (event !== 'start') {
      running.delete(name)
      continue
    }
    assert.is(running.get(name), undefined, `two messages of ${name} at once`)
    running.set(name, offset)
    if (attempt > 1) continue
    assert.ok(offset > (last.get(name) ?? -1), `offset ${offset} of ${name} started after ${last.get(name)}`)
    last.set(name, offset)
  }
}
