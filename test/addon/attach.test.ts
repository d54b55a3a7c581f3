/**
 * Takers in other environments than their consumer's: worker threads that attach by its token and end in every way, while
 * the consumer runs, closes, or is gone. As in lifecycle.test.ts, the sanitizers see the rest.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type EngineHost, LanewayError, ParallelConsumer, type Taker } from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { translate } from '../../ts/errors.js'
import { addon } from '../../ts/native.js'
import { silent } from './lives.js'

const MESSAGES = 2_000
const KEYS = 50

interface Setting {
  broker: MockBroker
  topics: number
}

const test = suite<Setting>('takers in other environments', { broker: undefined as never, topics: 0 })

test.before((setting) => {
  setting.broker = new MockBroker()
})

test.after(({ broker }) => broker.close())

/** What a consumer offers to its engine; the test is the engine. */
interface Served {
  readonly consumer: ParallelConsumer
  readonly host: EngineHost
  readonly running: Promise<void>
}

async function serve(setting: Setting): Promise<Served> {
  setting.topics += 1
  const topic = `attached-${setting.topics}`
  setting.broker.createTopic(topic, 4)
  await using producer = new TestProducer({ 'bootstrap.servers': setting.broker.bootstrapServers })
  for (let i = 0; i < MESSAGES; i += 1) await producer.send({ topic, key: `key ${i % KEYS}`, value: `value ${i}` })
  await producer.flush()
  let started: (host: EngineHost) => void = () => undefined
  const hosted = new Promise<EngineHost>((resolve) => {
    started = resolve
  })
  const consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': setting.broker.bootstrapServers, 'group.id': `group-of-${topic}` },
    topics: [topic],
    commitInterval: 20,
    logger: silent,
    engine: { handlers: 'elsewhere', start: started, stop: async () => undefined },
  })
  const running = consumer.run()
  return { consumer, host: await hosted, running }
}

/** A worker thread that takes, and settles what it has taken before: it holds leases at any moment. */
function startTaking(token: number, ward: number): { worker: Worker; ended: Promise<unknown> } {
  const worker = new Worker(new URL('./taking.js', import.meta.url), { workerData: { token, ward } })
  return { worker, ended: new Promise((resolve) => worker.once('exit', resolve)) }
}

/** Leases that were told, read by this thread while their takers settle them, or end. */
function readWhatIsTold(worker: Worker, taker: Taker): () => number {
  let found = 0
  worker.on('message', ({ lease, slot }: { lease: number; slot: number }) => {
    const read = taker.read(lease, slot)
    if (read === null) return
    found += 1
    assert.is(new Uint32Array(read, 0, 1)[0], 1)
    assert.match(Buffer.from(read).toString('latin1'), /key \d+value \d+/)
  })
  return () => found
}

async function settled({ consumer }: Served, count: number): Promise<void> {
  while (consumer.stats().settled < count) await sleep(2)
}

test('two worker threads take what the consumer has, and everything is settled', async (setting) => {
  const served = await serve(setting)
  const workers = [1, 2].map((ward) => startTaking(served.host.token, ward))
  await settled(served, MESSAGES)
  for (const { worker } of workers) await worker.terminate()
  await served.consumer.close()
  await served.running
})

test('what a thread had when it was terminated stays leased until it is abandoned', async (setting) => {
  const served = await serve(setting)
  const { consumer, host } = served
  const reader = host.attach(() => undefined)
  let ward = 0
  let found = 0
  while (consumer.stats().settled < MESSAGES) {
    ward += 1
    const { worker, ended } = startTaking(host.token, ward)
    const reads = readWhatIsTold(worker, reader)
    const before = consumer.stats().settled
    while (consumer.stats().settled === before && consumer.stats().settled < MESSAGES) await sleep(1)
    await worker.terminate()
    await ended
    found += reads()
    const { inFlight } = consumer.stats()
    await sleep(2)
    assert.is(consumer.stats().inFlight, inFlight)
    host.abandon(ward)
    host.abandon(ward)
    assert.is(consumer.stats().inFlight, 0)
  }
  assert.ok(found > 0)
  reader.detach()
  await consumer.close()
  await served.running
})

test('threads end by themselves and by errors while they take', async (setting) => {
  const served = await serve(setting)
  for (const [index, ending] of ['exit', 'throw', 'exit', 'throw'].entries()) {
    const { worker, ended } = startTaking(served.host.token, index + 1)
    worker.on('error', () => undefined)
    worker.postMessage(ending)
    await ended
    served.host.abandon(index + 1)
    assert.is(served.consumer.stats().inFlight, 0)
  }
  await served.consumer.close({ mode: 'abort' })
  await served.running
})

test('the consumer closes while threads take; they end later, and find it closed', async (setting) => {
  const served = await serve(setting)
  const { token } = served.host
  const workers = [1, 2].map((ward) => startTaking(token, ward))
  // One may start so late that it finds it closed at once.
  for (const { worker } of workers) worker.on('error', () => undefined)
  await settled(served, 10)
  await served.consumer.close({ mode: 'abort' })
  await served.running
  await sleep(20)
  for (const { worker } of workers) await worker.terminate()
  for (const each of [token, 0, 1e9]) {
    try {
      translate(() => addon.attachTo(each, 3, () => undefined))
      assert.unreachable('attached to nothing')
    } catch (error) {
      assert.ok(LanewayError.is(error) && error.code === 'CONSUMER_CLOSED', String(error))
    }
  }
})

test.run()
