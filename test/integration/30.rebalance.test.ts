/** Rebalances while work is in flight, under each group protocol: nothing is lost, repeated or reordered. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { brokerTest, fill, group, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()

const PROTOCOLS = {
  eager: { 'partition.assignment.strategy': 'range', 'heartbeat.interval.ms': 300 },
  cooperative: { 'partition.assignment.strategy': 'cooperative-sticky', 'heartbeat.interval.ms': 300 },
  'KIP-848': { 'group.protocol': 'consumer' },
} as const

for (const [name, properties] of Object.entries(PROTOCOLS)) {
  brokerTest(`${name}: partitions move while handlers run; every message is handled once, in order`, async () => {
    const kafka = await broker()
    const topic = `moving-${name}`
    const filling = { topic, messages: 12_000, keys: 200, partitions: 6 }
    await kafka.createTopic(topic, { partitions: 6 })
    await fill(kafka, filling)
    const options = {
      kafka: { ...properties, 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic },
      topics: [topic],
      commitInterval: 100,
      concurrency: 16,
    }
    const ledger = newLedger()
    const work = () => sleep(5 + Math.random() * 10)
    const one = new Watched(options, ledger, work)
    await until('work in flight', () => ledger.processed > 500)
    const two = new Watched(options, ledger, work)
    await until('both to work', () => two.consumer.stats().settled > 200)
    assert.ok(two.consumer.stats().partitions.length > 0)
    await one.close()
    await until('all messages', () => ledger.distinct >= filling.messages)
    await two.close()
    assert.is(ledger.distinct, filling.messages)
    assert.is(ledger.inversions, 0)
    assert.is(ledger.duplicates, 0, 'handlers could end before their partitions moved')
    for (const { offset, logEnd } of await group(kafka, topic)) assert.is(offset, logEnd)
  })
}

test.run()
