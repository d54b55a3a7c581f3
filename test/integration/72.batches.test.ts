/** Batch handlers on a real broker: what a batch holds, what becomes of each message, and that keys keep their order. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BatchOptions, ParallelConsumerOptions } from '../../ts/config.js'
import { ParallelConsumer } from '../../ts/consumer.js'
import { DeadLetterMessage, DropMessage } from '../../ts/outcomes.js'
import type { BatchHandler } from '../../ts/ports/engine.js'
import type { Broker } from '../broker/broker.js'
import {
  brokerTest,
  committedOffset,
  errorOf,
  fill,
  LogBook,
  newLedger,
  optionsOf,
  readTopic,
  send,
  sharedBroker,
  until,
} from './support.js'

const broker = sharedBroker()

async function filled(topic: string, messages: number, keys: number): Promise<Broker> {
  const kafka = await broker()
  await kafka.createTopic(topic)
  await fill(kafka, { topic, messages, keys, partitions: 1 })
  return kafka
}

/** Runs until `messages` are committed; what run() rejects with is thrown. */
async function runAll(
  kafka: Broker,
  options: ParallelConsumerOptions,
  handler: BatchHandler,
  { messages, ...batches }: BatchOptions & { readonly messages: number },
): Promise<ParallelConsumer> {
  const consumer: ParallelConsumer = new ParallelConsumer({ logger: new LogBook(), ...options })
  const running = consumer.runBatches(handler, batches)
  const ended = running.then(() => true)
  const committed = until('all to be committed', async () => {
    return (await committedOffset(kafka, options.topics[0] ?? '')) === messages
  })
  await Promise.race([ended, committed])
  await consumer.close()
  await running
  return consumer
}

brokerTest('a batch of one lane has one key, in order, and never more than was asked for', async () => {
  const kafka = await filled('one-lane', 2_000, 20)
  const ledger = newLedger()
  const sizes: number[] = []
  const handler: BatchHandler = async (messages, context) => {
    sizes.push(messages.length)
    const [first] = messages
    for (const message of messages) {
      assert.ok(first?.key && message.key?.equals(first.key))
      ledger.start(message, context.attempt(message))
      ledger.end(message)
    }
    await sleep(Math.random() * 3)
  }
  await runAll(kafka, optionsOf(kafka, 'one-lane'), handler, { messages: 2_000, maxMessages: 25, linger: 500 })
  assert.is(ledger.distinct, 2_000)
  assert.is(ledger.duplicates, 0)
  assert.is(ledger.inversions, 0)
  assert.ok(Math.max(...sizes) <= 25)
  assert.is(sizes.length, 80, 'lanes that lingered gave full batches')
})

brokerTest('a lane that lingers gives what it has when its time is up', async () => {
  const kafka = await filled('lingering', 3, 1)
  const sizes: number[] = []
  const at: number[] = []
  const from = performance.now()
  const handler: BatchHandler = (messages) => {
    sizes.push(messages.length)
    at.push(performance.now() - from)
  }
  await runAll(kafka, optionsOf(kafka, 'lingering'), handler, { messages: 3, maxMessages: 100, linger: 300 })
  assert.equal(sizes, [3])
  assert.ok((at[0] ?? 0) >= 300)
})

brokerTest('a batch ends at its bytes, but for a message that is larger alone', async () => {
  const kafka = await broker()
  await kafka.createTopic('bytes')
  const values = [400, 400, 400, 5_000, 100, 100]
  await send(
    kafka,
    'bytes',
    values.map((size) => ({ key: 'one key', value: Buffer.alloc(size) })),
  )
  const seen: number[][] = []
  const handler: BatchHandler = (messages) => {
    seen.push(messages.map(({ value }) => value?.length ?? 0))
  }
  await runAll(kafka, optionsOf(kafka, 'bytes'), handler, { messages: 6, maxBytes: 1_000, linger: 300 })
  for (const sizes of seen) {
    const total = sizes.reduce((sum, size) => sum + size, 0)
    assert.ok(total <= 1_000 || sizes.length === 1, `${sizes}`)
  }
  assert.equal(seen.flat(), values)
})

brokerTest("lanes: 'many' has at most one message of a key in a batch, and fills batches across keys", async () => {
  const kafka = await filled('many-lanes', 1_000, 50)
  const ledger = newLedger()
  const sizes: number[] = []
  const handler: BatchHandler = async (messages, context) => {
    sizes.push(messages.length)
    assert.is(new Set(messages.map(({ key }) => key?.toString())).size, messages.length)
    for (const message of messages) ledger.start(message, context.attempt(message))
    await sleep(1)
    for (const message of messages) ledger.end(message)
  }
  const batches = { messages: 1_000, lanes: 'many', maxMessages: 40, linger: 20 } as const
  await runAll(kafka, optionsOf(kafka, 'many-lanes'), handler, batches)
  assert.is(ledger.distinct, 1_000)
  assert.is(ledger.duplicates, 0)
  assert.is(ledger.inversions, 0)
  assert.ok(Math.max(...sizes) > 20 && Math.max(...sizes) <= 40, `${sizes}`)
})

brokerTest('sameKey: several messages of one key may be in a batch, in order', async () => {
  const kafka = await filled('same-key', 1_000, 5)
  const last = new Map<string, number>()
  let mostOfOneKey = 0
  const handler: BatchHandler = async (messages) => {
    const counts = new Map<string, number>()
    for (const { key, offset } of messages) {
      const name = String(key)
      assert.ok((last.get(name) ?? -1) < offset)
      last.set(name, offset)
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    mostOfOneKey = Math.max(mostOfOneKey, ...counts.values())
    await sleep(1)
  }
  const batches = { messages: 1_000, lanes: 'many', sameKey: true, maxMessages: 100 } as const
  await runAll(kafka, optionsOf(kafka, 'same-key'), handler, batches)
  assert.ok(mostOfOneKey > 1)
})

brokerTest('each message has the outcome that the handler gave it; a throw fails the rest', async () => {
  const kafka = await filled('outcomes', 10, 10)
  await kafka.createTopic('outcomes.dead')
  const seen: string[] = []
  const handler: BatchHandler = (messages, context) => {
    for (const message of messages) {
      const attempt = context.attempt(message)
      seen.push(`${message.offset}/${attempt}`)
      assert.is(context.firstFailedAt(message) === undefined, attempt === 1)
      if (attempt > 1) continue
      if (message.offset < 3) context.complete(message)
      else if (message.offset === 3) context.fail(message, new DropMessage('no use'))
      else if (message.offset === 4) context.fail(message, new DeadLetterMessage('odd'))
      else if (message.offset === 5) context.fail(message, new Error('later'))
    }
    if (messages.some((message) => context.attempt(message) === 1)) throw new Error('the rest')
  }
  const options = optionsOf(kafka, 'outcomes', {
    retry: { maxAttempts: 2, delay: 1 },
    deadLetter: { topic: 'outcomes.dead' },
  })
  const batches = { messages: 10, lanes: 'many', maxMessages: 10, linger: 1_000 } as const
  const consumer = await runAll(kafka, options, handler, batches)
  const again = seen.filter((each) => each.endsWith('/2')).sort()
  assert.equal(again, ['5/2', '6/2', '7/2', '8/2', '9/2'])
  assert.is(seen.length, 15)
  assert.equal(consumer.stats().drops, { 'no use': 1 })
  const letters = await readTopic(kafka, 'outcomes.dead')
  assert.equal(
    letters.map(({ value }) => value?.toString()),
    ['4'],
  )
})

for (const lanes of ['one', 'many'] as const) {
  brokerTest(`keys keep their order when batches fail as a whole (lanes: '${lanes}')`, async () => {
    const topic = `failing-${lanes}`
    const kafka = await filled(topic, 600, 12)
    const ledger = newLedger()
    const handler: BatchHandler = async (messages, context) => {
      await sleep(Math.random() * 2)
      const willFail = messages.some((message) => message.offset % 7 === 0 && context.attempt(message) === 1)
      for (const message of messages) {
        ledger.start(message, context.attempt(message))
        if (willFail) ledger.fail(message)
        else ledger.end(message)
        if (lanes === 'one' && willFail) break
      }
      if (willFail) throw new Error('the whole batch')
    }
    const options = optionsOf(kafka, topic, { retry: { maxAttempts: 20, delay: 1 } })
    await runAll(kafka, options, handler, { messages: 600, lanes, maxMessages: 10 })
    assert.is(ledger.distinct, 600)
    assert.is(ledger.duplicates, 0)
    assert.is(ledger.inversions, 0)
  })
}

brokerTest('a batch that times out has failed as a whole, but for what was completed before', async () => {
  const kafka = await filled('slow-batch', 4, 4)
  const attempts = new Map<number, number>()
  const handler: BatchHandler = (messages, context) => {
    for (const message of messages) attempts.set(message.offset, context.attempt(message))
    const [first] = messages
    if (first === undefined || context.attempt(first) > 1) return
    context.complete(first)
    return new Promise((resolve) => context.signal.addEventListener('abort', resolve))
  }
  const options = optionsOf(kafka, 'slow-batch', { handlerTimeout: 100, retry: { delay: 1 } })
  await runAll(kafka, options, handler, { messages: 4, lanes: 'many', maxMessages: 4, linger: 1_000 })
  assert.equal([...attempts.values()].sort(), [1, 2, 2, 2])
})

brokerTest("a batch message that fails for good ends run() with its name (onExhausted: 'stop')", async () => {
  const kafka = await filled('hopeless', 5, 1)
  const options = { ...optionsOf(kafka, 'hopeless', { retry: { maxAttempts: 1 } }), logger: new LogBook() }
  const consumer = new ParallelConsumer(options)
  const running = consumer.runBatches((messages, context) => {
    for (const message of messages) if (message.offset === 2) context.fail(message, new Error('no'))
  })
  const error = await errorOf(running)
  assert.is(error.code, 'RETRIES_EXHAUSTED')
  assert.is(error.details['offset'], 2)
  assert.is(await committedOffset(kafka, 'hopeless'), 2)
})

brokerTest('a message of a batch that cannot be decoded fails alone; the others are handled', async () => {
  const kafka = await broker()
  await kafka.createTopic('batch-json')
  await kafka.createTopic('batch-json.dead')
  const values = ['1', 'x', '3']
  await send(
    kafka,
    'batch-json',
    values.map((value) => ({ key: 'k', value })),
  )
  const consumer = new ParallelConsumer({
    ...optionsOf(kafka, 'batch-json', { logger: new LogBook() }),
    deserialize: { value: 'json', onError: 'deadLetter' },
    deadLetter: { topic: 'batch-json.dead' },
  })
  const seen: unknown[] = []
  const running = consumer.runBatches(
    (messages) => {
      for (const { value } of messages) seen.push(value)
    },
    { linger: 300 },
  )
  await until('all to be committed', async () => (await committedOffset(kafka, 'batch-json')) === 3)
  await consumer.close()
  await running
  assert.equal(seen, [1, 3])
  const letters = await readTopic(kafka, 'batch-json.dead')
  assert.equal(
    letters.map(({ value }) => value?.toString()),
    ['x'],
  )
})

brokerTest('a consumer that is closed right after runBatches() ends, and leaves its group', async () => {
  const kafka = await filled('closed-early', 1, 1)
  const consumer = new ParallelConsumer(optionsOf(kafka, 'closed-early', { logger: new LogBook() }))
  const running = consumer.runBatches(() => undefined)
  await consumer.close()
  await running
  assert.is(consumer.health().state, 'closed')
  assert.equal(consumer.stats().partitions, [])
})

test.run()
