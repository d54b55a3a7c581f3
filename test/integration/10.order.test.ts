/** Parallel consumption on a real broker: everything once, in the order of keys, and committed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestProducer } from '../../ts/testing/index.js'
import { brokerTest, fill, group, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()

brokerTest('every message is handled once, in the order of its key, many at a time', async () => {
  const kafka = await broker()
  const filling = { topic: 'ordered', messages: 20_000, keys: 500, partitions: 4 }
  await kafka.createTopic('ordered', { partitions: 4 })
  await fill(kafka, filling)
  const ledger = newLedger()
  let atOnce = 0
  let mostAtOnce = 0
  const watched = new Watched(
    { kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'ordered' }, topics: ['ordered'] },
    ledger,
    async () => {
      atOnce += 1
      mostAtOnce = Math.max(mostAtOnce, atOnce)
      await sleep(Math.random() * 3)
      atOnce -= 1
    },
  )
  await until('all messages', () => ledger.processed >= filling.messages)
  await watched.close()
  assert.is(ledger.distinct, filling.messages, 'nothing is lost')
  assert.is(ledger.duplicates, 0)
  assert.is(ledger.inversions, 0)
  assert.ok(mostAtOnce > 64, `at most ${mostAtOnce} at once`)
  for (const partition of await group(kafka, 'ordered')) {
    assert.is(partition.offset, partition.logEnd)
    assert.is(partition.metadata, '')
  }
})

brokerTest('null keys, tombstones, empty values and repeated binary headers arrive as they were sent', async () => {
  const kafka = await broker()
  await kafka.createTopic('odd', { partitions: 1 })
  const binary = Buffer.from([0, 255, 1])
  await using producer = new TestProducer({ 'bootstrap.servers': kafka.bootstrapServers })
  await producer.send({ topic: 'odd', key: null, value: 'a', timestamp: 1_700_000_000_000 })
  await producer.send({ topic: 'odd', key: 'k', value: null })
  await producer.send({ topic: 'odd', key: '', value: '' })
  const headers = [
    ['h', binary],
    ['h', null],
    ['ü', 'text'],
    ['empty', ''],
  ] as const
  await producer.send({ topic: 'odd', key: 'k', value: binary, headers })
  await producer.flush()
  const seen: unknown[] = []
  const ledger = newLedger()
  const watched = new Watched(
    { kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'odd' }, topics: ['odd'], concurrency: 1 },
    ledger,
    ({ key, value, headers: sent, offset, timestamp }) => {
      seen[offset] = { key, value, headers: sent, isDated: timestamp > 0 }
      if (offset === 0) assert.is(timestamp, 1_700_000_000_000)
    },
  )
  await until('four messages', () => ledger.processed >= 4)
  await watched.close()
  const empty = Buffer.alloc(0)
  assert.equal(seen, [
    { key: null, value: Buffer.from('a'), headers: [], isDated: true },
    { key: Buffer.from('k'), value: null, headers: [], isDated: true },
    { key: empty, value: empty, headers: [], isDated: true },
    {
      key: Buffer.from('k'),
      value: binary,
      headers: [
        ['h', binary],
        ['h', null],
        ['ü', Buffer.from('text')],
        ['empty', empty],
      ],
      isDated: true,
    },
  ])
})

brokerTest('a failed message is tried again before the next one of its key, and delays no other key', async () => {
  const kafka = await broker()
  const filling = { topic: 'retried', messages: 2_000, keys: 50, partitions: 2 }
  await kafka.createTopic('retried', { partitions: 2 })
  await fill(kafka, filling)
  const ledger = newLedger()
  let failures = 0
  const watched = new Watched(
    {
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'retried' },
      topics: ['retried'],
      retry: { maxAttempts: 3, delay: 20 },
    },
    ledger,
    (message, { attempt }) => {
      if (message.offset % 10 !== 0 || attempt > 2) return
      failures += 1
      throw new Error(`attempt ${attempt}`)
    },
  )
  await until('all messages', () => ledger.processed >= filling.messages)
  await watched.close()
  assert.is(ledger.distinct, filling.messages)
  assert.is(ledger.duplicates, 0)
  assert.is(ledger.inversions, 0)
  assert.is(failures, 400)
})

brokerTest('exhausted retries reject run() with the message named, and what was settled is committed', async () => {
  const kafka = await broker()
  await kafka.createTopic('failing', { partitions: 1 })
  await fill(kafka, { topic: 'failing', messages: 10, keys: 1, partitions: 1 })
  const ledger = newLedger()
  const watched = new Watched(
    {
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'failing' },
      topics: ['failing'],
      retry: { maxAttempts: 2, delay: 1 },
    },
    ledger,
    ({ offset }) => {
      if (offset === 4) throw new Error('no')
    },
  )
  const error: unknown = await watched.running.catch((reason: unknown) => reason)
  assert.instance(error, Error)
  assert.is((error as { code?: string }).code, 'RETRIES_EXHAUSTED')
  assert.match((error as Error).message, 'failing [0] at offset 4 failed 2 times')
  const [partition] = await group(kafka, 'failing')
  assert.is(partition?.offset, 4)
})

test.run()
