/** What a handler keeps never changes, although the memory of batches is used again; the sanitizers see the rest. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type EngineHost, ParallelConsumer } from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fillAt, takeAndKeep, VALUE_BYTES } from './keeping.js'
import { silent } from './lives.js'

/** The mock keeps 5 MB of a partition. */
const MESSAGES = 32

test('kept messages stay as they were while later batches come and go, on two threads', async () => {
  const broker = new MockBroker()
  const servers = { 'bootstrap.servers': broker.bootstrapServers }
  broker.createTopic('large')
  {
    await using producer = new TestProducer(servers)
    for (let i = 0; i < MESSAGES; i += 1)
      await producer.send({ topic: 'large', value: Buffer.alloc(VALUE_BYTES, fillAt(i)) })
    await producer.flush()
  }
  let started: (host: EngineHost) => void = () => undefined
  const hosted = new Promise<EngineHost>((resolve) => {
    started = resolve
  })
  const consumer = new ParallelConsumer({
    kafka: { ...servers, 'group.id': 'keeping' },
    topics: ['large'],
    logger: silent,
    engine: { handlers: 'elsewhere', start: started, stop: async () => undefined },
  })
  const running = consumer.run()
  const host = await hosted

  const worker = new Worker(new URL('./keeping.js', import.meta.url), { workerData: { token: host.token, ward: 1 } })
  const [there] = await once(worker, 'message')
  await worker.terminate()
  host.abandon(1)
  const taker = host.attach(() => undefined)
  const here = await takeAndKeep(taker)
  taker.detach()
  await consumer.close()
  await running
  broker.close()

  for (const { kept, changed } of [there, here]) {
    assert.ok(kept >= 100, `${kept} kept`)
    assert.is(changed, 0)
  }
})

test.run()
