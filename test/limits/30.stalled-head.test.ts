/**
 * A message that never ends at the head of a partition, with a million others behind it there and a million in another
 * partition: they all go on, memory stays within the budgets, and a restart repeats that one message. How little it
 * costs the others in throughput is a benchmark (`npm run bench -- stalled-head`), not a timed test.
 */
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer, type ParallelConsumerOptions } from '../../ts/index.js'
import { addon, type RawPartitionStats } from '../../ts/native.js'
import type { Broker } from '../broker/broker.js'
import { runToEnd } from '../broker/run-to-end.js'
import { brokerTest, group, sharedBroker, until } from '../integration/support.js'

const broker = sharedBroker()

const TOPIC = 'stalled-head'
const MESSAGES_BEHIND = 1_000_000
const STALLED_KEY = 'stalled'
const FILL_DEADLINE_MS = 90_000
const MAX_BUFFERED_MESSAGES = 20_000
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024
/** Of native memory for messages, as SlabPool bounds it: twice the budget and what is being filled. */
const MOST_SLAB_BYTES = 2 * MAX_BUFFERED_BYTES + 1024 * 1024
/** Of all memory, once a tenth went through: the 1,800,000 messages that follow have more than 250 MB. */
const MOST_GROWTH_BYTES = 64 * 1024 * 1024
const LOOK_EVERY = 10_000

/** In a process of its own: what a producer leaves to this process's allocator would hide what a consumer takes. */
async function fill(kafka: Broker): Promise<void> {
  await kafka.createTopic(TOPIC, { partitions: 2 })
  const script = fileURLToPath(new URL('./stalled-head-topic.js', import.meta.url))
  const args = [script, kafka.bootstrapServers, TOPIC, STALLED_KEY, String(MESSAGES_BEHIND)]
  const { status, output } = await runToEnd(process.execPath, args, { deadlineMs: FILL_DEADLINE_MS })
  if (status !== 0) throw new Error(`the topic could not be filled: ${output}`)
}

/** The most that was ever seen of what must be bounded. */
class Highest {
  bufferedMessages = 0
  bufferedBytes = 0
  slabBytes = 0
  gaps = 0
  rssBytes = 0
  rssBytesEarly = 0

  look(consumer: ParallelConsumer, isEarly: boolean): void {
    const { bufferedMessages, bufferedBytes, slabBytes, partitions } = consumer.stats()
    this.bufferedMessages = Math.max(this.bufferedMessages, bufferedMessages)
    this.bufferedBytes = Math.max(this.bufferedBytes, bufferedBytes)
    this.slabBytes = Math.max(this.slabBytes, slabBytes)
    this.gaps = Math.max(this.gaps, ...partitions.map(({ gaps }) => gaps))
    const rssBytes = process.memoryUsage.rss()
    if (isEarly) this.rssBytesEarly = Math.max(this.rssBytesEarly, rssBytes)
    this.rssBytes = Math.max(this.rssBytes, rssBytes)
  }

  toString(): string {
    const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
    return (
      `at most ${this.bufferedMessages} messages and ${mib(this.bufferedBytes)} buffered in ${mib(this.slabBytes)}; ` +
      `RSS ${mib(this.rssBytes)}, ${mib(this.rssBytesEarly)} after the first tenth`
    )
  }
}

function partitionZero(consumer: ParallelConsumer): RawPartitionStats | undefined {
  return consumer.stats().partitions.find(({ partition }) => partition === 0)
}

function optionsFor(kafka: Broker): ParallelConsumerOptions {
  return {
    kafka: {
      'bootstrap.servers': kafka.bootstrapServers,
      'group.id': TOPIC,
      // What librdkafka holds is bounded by this, not by laneway; little of it, so that it is full soon.
      'queued.max.messages.kbytes': 1_024,
    },
    topics: [TOPIC],
    maxBufferedMessages: MAX_BUFFERED_MESSAGES,
    maxBufferedBytes: MAX_BUFFERED_BYTES,
    commitInterval: 100,
    closeTimeout: 1_000,
  }
}

brokerTest('a stalled head holds back neither the million behind it nor memory, and alone is repeated', async () => {
  const kafka = await broker()
  await fill(kafka)
  const highest = new Highest()
  const others = [0, 0]
  let handled = 0
  let stalledStarts = 0
  await using consumer = new ParallelConsumer(optionsFor(kafka))
  const running = consumer.run(({ offset, partition }, context) => {
    if (partition === 0 && offset === 0) {
      stalledStarts += 1
      const { signal } = context
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    others[partition] = (others[partition] ?? 0) + 1
    handled += 1
    if (handled % LOOK_EVERY === 0) highest.look(consumer, handled <= MESSAGES_BEHIND / 5)
    return
  })
  await until('the others of both partitions', () => handled === 2 * MESSAGES_BEHIND, 120_000)
  process.stdout.write(`  ${highest}\n`)
  assert.equal(others, [MESSAGES_BEHIND, MESSAGES_BEHIND])
  assert.is(stalledStarts, 1)
  assert.ok(highest.bufferedMessages <= MAX_BUFFERED_MESSAGES, `${highest.bufferedMessages} messages buffered`)
  assert.ok(highest.bufferedBytes <= MAX_BUFFERED_BYTES, `${highest.bufferedBytes} bytes buffered`)
  assert.ok(highest.slabBytes <= MOST_SLAB_BYTES, `${highest.slabBytes} bytes of slabs`)
  const growthBytes = highest.rssBytes - highest.rssBytesEarly
  assert.ok(growthBytes < MOST_GROWTH_BYTES, `RSS grew by ${growthBytes} bytes`)

  // All is settled but the head, which is the one gap; the map that says so is small, so that nothing has to stop.
  await until('settlements', () => consumer.stats().inFlight === 1)
  const stalled = partitionZero(consumer)
  assert.is(stalled?.committable, 0)
  assert.is(stalled?.gaps, 1)
  assert.is(stalled?.highestSettled, MESSAGES_BEHIND)
  assert.is(stalled?.metadataFullMs, 0)
  const { blockedBy } = consumer.health().partitions.find(({ partition }) => partition === 0) ?? {}
  assert.is(blockedBy?.key?.toString(), STALLED_KEY)
  await consumer.close({ mode: 'abort' })
  await running
  const [zero, one] = (await group(kafka, TOPIC)).toSorted((a, b) => a.partition - b.partition)
  assert.is(one?.offset, MESSAGES_BEHIND)
  assert.is(zero?.offset, 0)
  const map = addon.decodeMetadata(0, zero?.metadata ?? '', 'laneway')
  assert.equal([...map.gaps], [0])
  assert.is(map.highest, MESSAGES_BEHIND)

  const again: number[] = []
  await using second = new ParallelConsumer(optionsFor(kafka))
  const runningAgain = second.run(({ offset }) => {
    again.push(offset)
  })
  await until('the head to be committed', () => partitionZero(second)?.committed === MESSAGES_BEHIND + 1)
  assert.is(second.stats().skippedSettled, MESSAGES_BEHIND)
  await second.close()
  await runningAgain
  assert.equal(again, [0], 'only the stalled message runs again')
})

test.run()
