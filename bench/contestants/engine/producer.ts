/**
 * Produces messages at a steady rate, whatever becomes of them: each value is the time at which it was due, in µs since
 * the epoch. A process of its own, so that what is measured does not share its thread.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TestProducer } from 'laneway/testing'
import { now } from './handler.js'
import { WARM_UP_KEY } from './order.js'

const KEYS = 1_000
const TICK_MS = 1

const [, , brokers = '', topic = '', messages, perSecond] = process.argv
const count = Number(messages)
const periodUs = 1_000_000 / Number(perSecond)

await using producer = new TestProducer({ 'bootstrap.servers': brokers, 'linger.ms': '0' })
// The first record of a producer waits for its connections.
await producer.send({ topic, key: WARM_UP_KEY, value: '0' })
await producer.flush()
const startedAt = now()
for (let i = 0; i < count; ) {
  for (const until = now(); i < count && startedAt + i * periodUs <= until; i += 1) {
    await producer.send({ topic, key: `key-${i % KEYS}`, value: String(Math.round(startedAt + i * periodUs)) })
  }
  await sleep(TICK_MS)
}
await producer.flush()
