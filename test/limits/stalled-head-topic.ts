/**
 * Fills a topic of two partitions: node stalled-head-topic.js BROKERS TOPIC KEY MESSAGES. Offset 0 of partition 0 has
 * the key KEY, and nothing else has; behind it and in partition 1 are MESSAGES each, of 100 B, with 1,000 other keys.
 */
import { TestProducer } from '../../ts/testing/index.js'

const KEYS = 1_000
const VALUE = Buffer.alloc(100, 'v')
const FLUSH_MS = 60_000

const [, , brokers = '', topic = '', headKey = '', messages = ''] = process.argv
await using producer = new TestProducer({
  'bootstrap.servers': brokers,
  'enable.idempotence': 'true',
  'compression.type': 'lz4',
})
await producer.send({ topic, partition: 0, key: headKey, value: VALUE })
for (let i = 0; i < 2 * Number(messages); i += 1) {
  await producer.send({ topic, partition: i % 2, key: `key-${i % KEYS}`, value: VALUE })
}
await producer.flush(FLUSH_MS)
