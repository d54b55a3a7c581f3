/**
 * `laneway/testing`: an embedded broker and a producer, for users' tests and for the demo. The broker is librdkafka's
 * mock cluster: real sockets on loopback, groups and commits, but no durability, no TLS, and only about the last 5 MB of
 * each partition. Where a group has become empty, its next member waits `session.timeout.ms` less a second (44 s by
 * default): set 1,500 ms, and `heartbeat.interval.ms` 300, in tests that restart consumers.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { translate, translateAsync } from '../errors.js'
import { addon, type RawMockCluster, type RawProducer } from '../native.js'

/** A Kafka cluster inside this process, on loopback. */
export class MockBroker implements Disposable {
  readonly #raw: RawMockCluster
  /** For `bootstrap.servers`. */
  readonly bootstrapServers: string

  /** @param brokers how many (default 1) */
  constructor(brokers = 1) {
    this.#raw = translate(() => new addon.MockCluster(brokers))
    this.bootstrapServers = this.#raw.bootstrapServers
  }

  createTopic(topic: string, partitions = 1): void {
    translate(() => this.#raw.createTopic(topic, partitions))
  }

  close(): void {
    this.#raw.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

export interface TestRecord {
  readonly topic: string
  readonly key?: string | Uint8Array | null
  readonly value?: string | Uint8Array | null
  /** Default: by the key. */
  readonly partition?: number
  /** ms since the epoch. Default: now. */
  readonly timestamp?: number
  readonly headers?: readonly (readonly [string, string | Uint8Array | null])[]
}

const FULL_WAIT_MS = 1
const DEFAULT_FLUSH_MS = 30_000

function toBytes(value: string | Uint8Array | null | undefined): Uint8Array | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? Buffer.from(value) : value
}

/** A plain producer: queues records, waits where the queue is full. */
export class TestProducer implements AsyncDisposable {
  readonly #raw: RawProducer

  /** @param properties librdkafka's */
  constructor(properties: Readonly<Record<string, string>>) {
    this.#raw = translate(() => new addon.Producer(properties))
  }

  /** Resolves when the record is queued; {@link flush} tells whether it arrived. */
  async send({ topic, key, value, partition = -1, timestamp = 0, headers }: TestRecord): Promise<void> {
    const flat = headers?.flat() ?? null
    const keyBytes = toBytes(key)
    const valueBytes = toBytes(value)
    while (!translate(() => this.#raw.produce(topic, partition, keyBytes, valueBytes, timestamp, flat))) {
      await sleep(FULL_WAIT_MS)
    }
  }

  /** @throws LanewayError when a record failed, or some were not acknowledged within `timeoutMs` */
  async flush(timeoutMs = DEFAULT_FLUSH_MS): Promise<void> {
    await translateAsync(this.#raw.flush(timeoutMs))
  }

  async close(): Promise<void> {
    await this.#raw.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export interface NewTopic {
  readonly topic: string
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly config?: Readonly<Record<string, string>>
}

/** Creates topics on a real cluster. */
export async function createTopics(
  properties: Readonly<Record<string, string>>,
  topics: readonly NewTopic[],
  timeoutMs = DEFAULT_FLUSH_MS,
): Promise<void> {
  const list = topics.map(({ topic, partitions = 1, replicationFactor = 1, config = {} }) => {
    return { topic, partitions, replicationFactor, config }
  })
  await translateAsync(addon.createTopics(properties, list, timeoutMs))
}
