/**
 * The product's native consumer with messages waiting in its lanes, from a mock cluster in this process: what an engine
 * takes is there already, so that neither Kafka nor the network is measured.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { MockBroker } from 'laneway/testing'
import { addon, type RawConsumer, type RawEvent, type RawTopicPartition } from '../../ts/native.js'
import { type PlainMessage, TOPIC } from './messages.js'

const DEADLINE_MS = 60_000
const LOOK_EVERY_MS = 2

export interface Filling {
  readonly messages: readonly PlainMessage[]
  readonly partitions: number
  readonly order: 'key' | 'none'
}

export class FilledConsumer implements AsyncDisposable {
  readonly raw: RawConsumer
  readonly #messages: readonly PlainMessage[]
  readonly #broker = new MockBroker()
  readonly #producer: InstanceType<typeof addon.Producer>
  readonly #partitions: RawTopicPartition[] = []
  #failure: Error | undefined

  constructor({ messages, partitions, order }: Filling) {
    this.#messages = messages
    this.#broker.createTopic(TOPIC, partitions)
    const brokers = { 'bootstrap.servers': this.#broker.bootstrapServers }
    this.#producer = new addon.Producer({ ...brokers, 'queue.buffering.max.messages': `${messages.length + 1}` })
    this.raw = new addon.Consumer({
      properties: { ...brokers, 'group.id': 'micro', 'auto.offset.reset': 'earliest', 'fetch.queue.backoff.ms': '10' },
      topics: [TOPIC],
      order,
      concurrency: messages.length,
      // Every partition has its share of the budgets; keys are not spread evenly.
      maxBufferedMessages: 2 * partitions * messages.length,
      maxBufferedBytes: 2 ** 30,
      maxRunLength: 16,
      commitIntervalMs: 1_000,
      rebalanceTimeoutMs: 30_000,
      metadataFormat: 'laneway',
      metadataCarrier: 'base32768',
      metadataMaxUnits: 4_096,
      waitForTopics: false,
      maxRunBytes: Number.MAX_SAFE_INTEGER,
      wholeRuns: false,
      lingerMs: 0,
      poisonAfter: 0,
      poisonCoolDownMs: 0,
      poisonIsTaken: false,
      maxOutputBytes: 2 ** 26,
      deadLetters: null,
      transactions: null,
    })
    this.raw.start((event) => this.#note(event))
  }

  /** Ids never change their meaning, so that each is asked for once, as the façade does. */
  partition(id: number): RawTopicPartition {
    const known = this.#partitions[id]
    if (known !== undefined) return known
    const asked = this.raw.partition(id)
    this.#partitions[id] = asked
    return asked
  }

  /** Produces all messages (once more) and waits until they lie in their lanes. */
  async fill(): Promise<void> {
    for (const { topic, partition, key, value, timestamp, headers } of this.#messages) {
      if (this.#producer.produce(topic, partition, key, value, timestamp, headers.flat())) continue
      throw new Error("the producer's queue is full")
    }
    await this.#producer.flush(DEADLINE_MS)
    const deadline = performance.now() + DEADLINE_MS
    while (this.raw.stats().bufferedMessages < this.#messages.length) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > deadline) throw new Error(`not filled within ${DEADLINE_MS / 1000} s`)
      await sleep(LOOK_EVERY_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.raw.close()
    await this.#producer.close()
    this.#broker.close()
  }

  #note(event: RawEvent): void {
    if (event.kind === 'fatal') this.#failure = new Error(`the consumer failed: ${event.code}: ${event.message}`)
  }
}
