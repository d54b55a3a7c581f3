/** A producer for tests: it puts records into topics and tells when they have arrived. It has no opinion on settings. */
import { setTimeout as sleep } from 'node:timers/promises'
import { translate, translateAsync } from '../errors.js'
import { addon, type RawProducer } from '../native.js'

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
