/**
 * The addon's threads and environments at their ends: every way in which a consumer, a worker thread or a process stops.
 * What these assert is little (the right ending, in time); `npm run sanitize` runs them with an addon that is compiled
 * with sanitizers, which see the rest: memory that is used after its end or never freed, and undefined behaviour.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { LanewayError } from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consumerOf, type Life } from './lives.js'

const MESSAGES = 400
const KEYS = 40
const livesFile = new URL('./lives.js', import.meta.url)

interface Setting {
  broker: MockBroker
  topics: number
}

const test = suite<Setting>('the addon’s ends', { broker: undefined as never, topics: 0 })

test.before((setting) => {
  setting.broker = new MockBroker()
})

test.after(({ broker }) => broker.close())

async function fill(broker: MockBroker, topic: string): Promise<void> {
  broker.createTopic(topic, 4)
  await using producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  for (let i = 0; i < MESSAGES; i += 1) {
    const headers = i % 3 === 0 ? [['n', Buffer.from([0, i % 256])] as const] : []
    await producer.send({ topic, key: `key ${i % KEYS}`, value: `value ${i}`, headers })
  }
  await producer.flush()
}

/** A topic with messages, and a group, of its own for each test. */
async function freshLife(setting: Setting, more: Partial<Life> = {}): Promise<Life> {
  setting.topics += 1
  const topic = `topic-${setting.topics}`
  await fill(setting.broker, topic)
  return { servers: setting.broker.bootstrapServers, topic, group: `group-of-${topic}`, closeAfter: 0, ...more }
}

function startWorker(life: Life): { worker: Worker; told: (step: string) => Promise<void>; ended: Promise<unknown> } {
  const worker = new Worker(livesFile, { workerData: life })
  const steps: string[] = []
  worker.on('message', (step: string) => steps.push(step))
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  const told = async (step: string) => {
    while (!steps.includes(step)) await once(worker, 'message')
  }
  return { worker, told, ended }
}

test('one hundred consumers start and close, at any moment of joining', async (setting) => {
  const { servers, topic } = await freshLife(setting)
  for (let i = 0; i < 100; i += 1) {
    const consumer = consumerOf({ servers, topic, group: `cycle-${i}` })
    const running = consumer.run(() => sleep(1))
    await sleep(i % 25)
    await consumer.close(i % 2 === 0 ? { mode: 'abort' } : { mode: 'drain' })
    await running
  }
})

test('asynchronous handlers that fail now and then get every message in the end', async (setting) => {
  const life = await freshLife(setting)
  const consumer = consumerOf(life)
  const seen = new Set<string>()
  let closed: Promise<void> | undefined
  await consumer.run(async ({ key, value, headers }, { attempt }) => {
    await sleep(seen.size % 3)
    if (attempt === 1 && seen.size % 7 === 0) throw new Error('not the first time')
    assert.match(String(key), /^key \d+$/)
    for (const [name] of headers) assert.is(name, 'n')
    seen.add(String(value))
    if (seen.size === MESSAGES) closed = consumer.close()
  })
  await closed
  assert.is(seen.size, MESSAGES)
})

test('an abort while handlers run ends at once, and what they return later changes nothing', async (setting) => {
  const life = await freshLife(setting)
  for (let i = 0; i < 10; i += 1) {
    const consumer = consumerOf({ ...life, group: `abort-${i}` })
    const late: Promise<void>[] = []
    const running = consumer.run(() => {
      const handled = sleep(20)
      late.push(handled)
      if (late.length === 5) void consumer.close({ mode: 'abort' })
      return handled
    })
    await running
    const { settled } = consumer.stats()
    await Promise.all(late)
    assert.is(consumer.stats().settled, settled)
  }
})

test('messages stay readable after their consumer is closed and collected', async (setting) => {
  const life = await freshLife(setting)
  const kept: { readonly value: Buffer | null }[] = []
  await (async () => {
    const consumer = consumerOf(life)
    await consumer.run((message) => {
      kept.push(message)
      if (kept.length === MESSAGES) void consumer.close()
    })
    await consumer.close()
  })()
  collectGarbage()
  const values = kept.map(({ value }) => String(value))
  assert.is(new Set(values).size, MESSAGES)
  for (const value of values) assert.match(value, /^value \d+$/)
})

test('consumers that never run and producers that nobody closes are collected', async ({ broker }) => {
  const servers = broker.bootstrapServers
  const refs: WeakRef<object>[] = []
  for (let i = 0; i < 20; i += 1) {
    refs.push(new WeakRef(consumerOf({ servers, topic: 't', group: 'never' })))
    refs.push(new WeakRef(new TestProducer({ 'bootstrap.servers': servers })))
  }
  while (refs.some((ref) => ref.deref() !== undefined)) {
    await sleep(1)
    collectGarbage()
  }
})

test('two worker threads and the main thread consume at once, each by itself', async (setting) => {
  const life = await freshLife(setting, { closeAfter: MESSAGES })
  const workers = ['a', 'b'].map((name) => startWorker({ ...life, group: `${life.group}-${name}` }))
  const consumer = consumerOf(life)
  let handled = 0
  await consumer.run(async () => {
    await sleep(1)
    handled += 1
    if (handled === MESSAGES) void consumer.close()
  })
  for (const { told, ended } of workers) {
    await told('done')
    assert.is(await ended, 0)
  }
})

test('a worker thread is terminated while its consumer runs, and the others go on', async (setting) => {
  const life = await freshLife(setting, { closeAfter: MESSAGES })
  const other = startWorker({ ...life, group: `${life.group}-other` })
  for (let i = 0; i < 5; i += 1) {
    const { worker, told, ended } = startWorker({ ...life, closeAfter: 0, group: `${life.group}-${i}` })
    await told('consuming')
    await worker.terminate()
    assert.is(await ended, 1)
  }
  await other.told('done')
  assert.is(await other.ended, 0)
})

test('a worker thread is terminated before its consumer has joined the group', async (setting) => {
  const life = await freshLife(setting)
  for (let i = 0; i < 5; i += 1) {
    const { worker, ended } = startWorker({ ...life, group: `${life.group}-${i}` })
    await once(worker, 'online')
    await sleep(20 * i)
    await worker.terminate()
    await ended
  }
})

test('a worker thread ends by itself, by exit() or by an error, while its consumer runs', async (setting) => {
  const life = await freshLife(setting)
  const exiting = startWorker({ ...life, ending: 'exit', group: 'exiting' })
  assert.is(await exiting.ended, 0)
  const failing = startWorker({ ...life, ending: 'throw', group: 'failing' })
  const [error] = await once(failing.worker, 'error')
  assert.match(String(error), 'the end of this life')
  assert.is(await failing.ended, 1)
})

for (const [ending, status] of [
  ['exit', 0],
  ['throw', 1],
  ['unused', 0],
] as const) {
  test(`a process ends with its consumers not closed (${ending}): without a crash and without a wait`, async (setting) => {
    for (let i = 0; i < 3; i += 1) {
      const life = await freshLife(setting, { ending })
      const child = spawn(process.execPath, [livesFile.pathname, JSON.stringify(life)], { stdio: 'pipe' })
      let output = ''
      child.stdout.on('data', (chunk) => (output += String(chunk)))
      child.stderr.on('data', (chunk) => (output += String(chunk)))
      const [code, signal] = await once(child, 'close')
      assert.equal({ code, signal }, { code: status, signal: null }, output)
      assert.match(output, 'consuming')
    }
  })
}

test('the cluster goes away under a consumer and a producer, which still close', async () => {
  const broker = new MockBroker()
  await fill(broker, 't')
  const consumer = consumerOf({ servers: broker.bootstrapServers, topic: 't', group: 'g' })
  const producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  const seen: unknown[] = []
  const running = consumer.run(({ value }) => {
    seen.push(value)
    if (seen.length === 1) broker.close()
  })
  while (seen.length === 0) await sleep(1)
  await producer.send({ topic: 't', value: 'too late' })
  await Promise.all([consumer.close(), producer.close()])
  await running
})

test('a producer is closed while it sends and flushes: both are refused by name', async ({ broker }) => {
  broker.createTopic('closing')
  const producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  const flushes: Promise<unknown>[] = []
  for (let i = 0; i < 200; i += 1) {
    await producer.send({ topic: 'closing', value: `value ${i}` })
    if (i % 10 === 0) flushes.push(producer.flush().catch((error: unknown) => error))
  }
  const closing = producer.close()
  flushes.push(producer.flush().catch((error: unknown) => error))
  await closing
  for (const error of await Promise.all(flushes))
    assert.ok(error === undefined || LanewayError.is(error), String(error))
  const refused = await producer.flush().catch((error: unknown) => error)
  assert.ok(LanewayError.is(refused) && refused.code === 'PRODUCER_CLOSED', String(refused))
})

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

test.run()
