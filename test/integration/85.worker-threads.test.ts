/** Worker threads on a real broker: exactly once while threads are lost, and partitions that move while threads run. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer, workerThreads } from '../../ts/index.js'
import type { Message } from '../../ts/ports/engine.js'
import { TestProducer } from '../../ts/testing/index.js'
import type { Line } from '../engines/told-handler.js'
import { allCommitted, assertExactlyOnce, createTopics, member } from './exactly-once.js'
import type { LeavingTransform } from './leaving-transform.js'
import { brokerTest, fill, group, newLedger, optionsOf, sharedBroker, until } from './support.js'

const PARTITIONS = 4

const broker = sharedBroker()
const folder = mkdtempSync(join(tmpdir(), 'laneway-threads-'))
test.after(() => rmSync(folder, { recursive: true }))

brokerTest('what threads send is sent once, while threads are lost and replaced', async () => {
  const kafka = await broker()
  const filling = { topic: 'threads', messages: 5_000, keys: 100, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const data: LeavingTransform = { output: 'threads.out', leaving: 0.002 }
  const engine = workerThreads({
    module: new URL('./leaving-transform.js', import.meta.url),
    threads: 3,
    data,
    restart: { initial: 1, max: 100 },
  })
  // What merely ran beside a message that ended its thread counts as an attempt, too.
  const consumer = new ParallelConsumer({
    ...member(kafka, filling.topic, 'threads', { engine, concurrency: 16, retry: { maxAttempts: 100, delay: 5 } }),
  })
  const running = consumer.run()
  await allCommitted(kafka, filling.topic, PARTITIONS)
  await consumer.close()
  await running
  await assertExactlyOnce(kafka, filling)
})

/** One consumer on threads, whose handlers write into the file. */
class Member {
  readonly consumer: ParallelConsumer
  readonly running: Promise<void>

  constructor(options: ReturnType<typeof optionsOf>, ledger: string) {
    const engine = workerThreads({
      module: new URL('../engines/told-handler.js', import.meta.url),
      threads: 2,
      data: { ledger },
    })
    this.consumer = new ParallelConsumer({ ...options, engine })
    this.running = this.consumer.run()
    this.running.catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.consumer.close()
    await this.running
  }
}

const PROTOCOLS = {
  eager: { 'partition.assignment.strategy': 'range' },
  cooperative: { 'partition.assignment.strategy': 'cooperative-sticky' },
  'KIP-848': { 'group.protocol': 'consumer' },
} as const

for (const [name, properties] of Object.entries(PROTOCOLS)) {
  brokerTest(`${name}: partitions move while threads run; every message is handled once, in order`, async () => {
    const kafka = await broker()
    const topic = `threads-moving-${name}`
    const messages = 4_000
    await kafka.createTopic(topic, { partitions: PARTITIONS })
    await using producer = new TestProducer({ 'bootstrap.servers': kafka.bootstrapServers })
    for (let i = 0; i < messages; i += 1) {
      await producer.send({ topic, key: `key ${i % 200}`, value: JSON.stringify({ sleepMs: 5 + (i % 10) }) })
    }
    await producer.flush()
    const file = join(folder, topic)
    const { kafka: common, ...rest } = optionsOf(kafka, topic, { concurrency: 16 })
    if (name === 'KIP-848') delete common['heartbeat.interval.ms']
    const options = { ...rest, kafka: { ...common, ...properties } }
    const one = new Member(options, file)
    await until('work in flight', () => one.consumer.stats().settled > 200)
    const two = new Member(options, file)
    await until('both to work', () => two.consumer.stats().settled > 200)
    await one.close()
    await until('all messages', () => one.consumer.stats().settled + two.consumer.stats().settled >= messages)
    await two.close()
    const ledger = newLedger()
    for (const text of readFileSync(file, 'utf8').trimEnd().split('\n')) {
      const { event, attempt, key, partition, offset } = JSON.parse(text) as Line
      const message = { topic, partition, offset, key: Buffer.from(String(key)) } as Message
      if (event === 'start') ledger.start(message, attempt)
      else ledger.end(message)
    }
    assert.is(ledger.distinct, messages)
    assert.is(ledger.inversions, 0)
    assert.is(ledger.duplicates, 0, 'handlers could end before their partitions moved')
    for (const { offset, logEnd } of await group(kafka, topic)) assert.is(offset, logEnd)
  })
}

test.run()
