/**
 * Under back-pressure every byte is fetched once: the figures are librdkafka's own, which count what its sockets got.
 * (Pausing partitions instead of leaving their queues full would fetch everything dozens of times.)
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer } from '../../ts/consumer.js'
import { TestProducer } from '../../ts/testing/index.js'
import type { Broker } from '../broker/broker.js'
import { brokerTest, sharedBroker, until } from '../integration/support.js'

const broker = sharedBroker()

const PARTITIONS = 4
const MESSAGES = 40_000
const VALUE_BYTES = 1_000
const MOST_FETCHED_PER_CONSUMED = 1.05

interface Statistics {
  /** Of all brokers, the group's coordinator among them. */
  readonly receivedBytes: number
  /** Of messages, over all partitions, as librdkafka counts them. */
  readonly messageBytes: number
  readonly messages: number
}

interface RawStatistics {
  readonly brokers: Readonly<Record<string, { readonly rxbytes: number }>>
  readonly topics: Readonly<
    Record<
      string,
      { readonly partitions: Readonly<Record<string, { readonly rxbytes: number; readonly rxmsgs: number }>> }
    >
  >
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

function read(json: string): Statistics {
  const { brokers, topics } = JSON.parse(json) as RawStatistics
  const partitions = Object.values(topics).flatMap((topic) => Object.values(topic.partitions))
  return {
    receivedBytes: sum(Object.values(brokers).map(({ rxbytes }) => rxbytes)),
    messageBytes: sum(partitions.map(({ rxbytes }) => rxbytes)),
    messages: sum(partitions.map(({ rxmsgs }) => rxmsgs)),
  }
}

async function fill(kafka: Broker, topic: string): Promise<void> {
  await kafka.createTopic(topic, { partitions: PARTITIONS })
  await using producer = new TestProducer({
    'bootstrap.servers': kafka.bootstrapServers,
    'enable.idempotence': 'true',
    // Batches as busy services send them. The end of a fetch cuts a batch in two, whoever consumes: that half is sent
    // twice by the broker.
    'batch.size': '16384',
    'linger.ms': '5',
  })
  const value = Buffer.alloc(VALUE_BYTES, 'v')
  for (let i = 0; i < MESSAGES; i += 1) {
    await producer.send({ topic, partition: i % PARTITIONS, key: `key-${i % 1_000}`, value })
  }
  await producer.flush()
}

brokerTest('under back-pressure at most 1.05 bytes are fetched for each byte consumed', async () => {
  const kafka = await broker()
  const topic = 'network'
  await fill(kafka, topic)
  let statistics: Statistics = { receivedBytes: 0, messageBytes: 0, messages: 0 }
  const onStatistics = (event: unknown): void => {
    statistics = read((event as { readonly json: string }).json)
  }
  subscribe('laneway:statistics', onStatistics)
  let pauses = 0
  let mostHeld = 0
  let handled = 0
  let consumedBytes = 0
  const consumer = new ParallelConsumer({
    kafka: {
      'bootstrap.servers': kafka.bootstrapServers,
      'group.id': topic,
      'statistics.interval.ms': 200,
      'queued.max.messages.kbytes': 1_024,
    },
    topics: [topic],
    // Budgets and handlers that keep every partition waiting nearly all the time.
    maxBufferedMessages: 400,
    concurrency: 64,
  })
  const running = consumer.run(async ({ key, value }) => {
    await sleep(10)
    handled += 1
    consumedBytes += (key?.length ?? 0) + (value?.length ?? 0)
    if (handled % 200 !== 0) return
    const { partitions, bufferedMessages } = consumer.stats()
    pauses += partitions.filter(({ paused }) => paused).length
    mostHeld = Math.max(mostHeld, bufferedMessages)
  })
  await until('all messages', () => handled === MESSAGES, 120_000)
  await until('statistics that know all of them', () => statistics.messages >= MESSAGES)
  const ratio = statistics.receivedBytes / consumedBytes
  await consumer.close()
  await running
  unsubscribe('laneway:statistics', onStatistics)
  process.stdout.write(
    `  ${(statistics.receivedBytes / 1e6).toFixed(2)} MB received for ${(consumedBytes / 1e6).toFixed(2)} MB consumed: ` +
      `${ratio.toFixed(3)}; ${statistics.messages} messages fetched for ${handled} handled\n`,
  )
  assert.ok(pauses > MESSAGES / 200, `back-pressure was seen ${pauses} times only`)
  assert.ok(mostHeld <= 400, `${mostHeld} messages were held`)
  assert.is(statistics.messages, MESSAGES, 'no message is fetched twice')
  assert.ok(ratio <= MOST_FETCHED_PER_CONSUMED, `${ratio} bytes were fetched for each byte consumed`)
})

test.run()
