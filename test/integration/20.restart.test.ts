/** Gap maps on a real broker: a restart repeats nothing that was settled; limits of the broker are respected. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addon } from '../../ts/native.js'
import type { HandlerContext, Message } from '../../ts/ports/engine.js'
import type { Broker } from '../broker/broker.js'
import { brokerTest, fill, group, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()
const tightBroker = sharedBroker({ properties: { 'offset.metadata.max.bytes': 512 } })

/** A handler's promise that ends only when the consumer is aborted. */
function stall(_message: Message, { signal }: HandlerContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')))
  })
}

for (const format of ['laneway', 'confluent'] as const) {
  brokerTest(`after a restart only what was not settled runs again (${format} metadata)`, async () => {
    const kafka = await broker()
    const topic = `restart-${format}`
    await kafka.createTopic(topic, { partitions: 2 })
    await fill(kafka, { topic, messages: 4_000, keys: 100, partitions: 2 })
    const options = {
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic },
      topics: [topic],
      commitInterval: 100,
      metadata: { format },
    }
    const first = newLedger()
    // Keys 0 and 1 stall at their first message: 80 messages stay.
    const isStalled = ({ key }: Message) => key?.toString() === 'key-0' || key?.toString() === 'key-1'
    const one = new Watched(options, first, (message, context) =>
      isStalled(message) ? stall(message, context) : undefined,
    )
    await until('the other keys', () => first.processed >= 3_920)
    await one.close('abort')

    const committed = await group(kafka, topic)
    assert.is(committed.length, 2)
    for (const { offset, metadata } of committed) {
      assert.is(offset, 0)
      const map = addon.decodeMetadata(offset, metadata, format)
      assert.is(map.gaps.length, 40)
    }

    const second = newLedger()
    const two = new Watched(options, second)
    await until('the rest', () => second.processed >= 80)
    await until('the commit', async () => (await group(kafka, topic)).every((each) => each.offset === each.logEnd))
    const { skippedSettled } = two.consumer.stats()
    await two.close()
    assert.is(second.processed, 80, 'what was settled is not run again')
    assert.is(second.inversions, 0)
    assert.is(skippedSettled, 3_920)
  })
}

/** Settles about half of 70,000 messages, at random; what is committed is committed on close. */
async function commitScattered(kafka: Broker, topic: string) {
  await kafka.createTopic(topic, { partitions: 1 })
  await fill(kafka, { topic, messages: 70_000, keys: 1, partitions: 1 })
  const ledger = newLedger('none')
  const settled = new Set<number>()
  let started = 0
  const watched = new Watched(
    {
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic },
      topics: [topic],
      order: 'none',
      concurrency: 100_000,
      maxBufferedMessages: 100_000,
      // A commit on the way would find the map near its limit, and the partition would rightly stop.
      commitInterval: 3_600_000,
    },
    ledger,
    (message, context) => {
      started += 1
      if (message.offset === 0 || Math.random() < 0.5) return stall(message, context)
      settled.add(message.offset)
      return undefined
    },
  )
  await until('all to start', () => started === 70_000)
  await watched.close('abort')
  const [partition] = await group(kafka, topic)
  return { partition, stats: watched.consumer.stats(), settled }
}

brokerTest('4,096 units of base32768 are accepted and come back identical', async () => {
  const { partition, settled } = await commitScattered(await broker(), 'full')
  assert.ok(partition !== undefined)
  assert.is(partition.offset, 0)
  assert.ok(
    partition.metadata.length > 4_060 && partition.metadata.length <= 4_096,
    `${partition.metadata.length} units`,
  )
  const map = addon.decodeMetadata(0, partition.metadata, 'laneway')
  const gaps = new Set(map.gaps)
  assert.ok(map.highest > 55_000, `covers ${map.highest} offsets`)
  for (let offset = 0; offset <= map.highest; offset += 1) assert.is(settled.has(offset), !gaps.has(offset))
})

brokerTest('a broker with a lower limit gets the offset at once, and a shorter map', async () => {
  const { partition, stats } = await commitScattered(await tightBroker(), 'tight')
  assert.ok(partition !== undefined)
  assert.is(partition.offset, 0)
  assert.ok(stats.metadataFallbacks > 0)
  assert.ok(partition.metadata.length > 200 && partition.metadata.length <= 512, `${partition.metadata.length} units`)
  assert.ok(addon.decodeMetadata(0, partition.metadata, 'laneway').highest > 2_000)
})

test.run()
