/** ParallelConsumer against the embedded broker: it processes, retries, fails and closes as it says. */
import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Engine,
  type Handler,
  LanewayError,
  type Logger,
  ParallelConsumer,
  type ParallelConsumerOptions,
} from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../broker/package-root.js'

interface Setting {
  broker: MockBroker
  topics: number
}

const test = suite<Setting>('consumer', { broker: undefined as never, topics: 0 })

test.before((setting) => {
  setting.broker = new MockBroker()
})

test.after(({ broker }) => broker.close())

/** A topic of its own for each test, with these values, one key each unless said otherwise. */
async function topicWith(setting: Setting, values: readonly string[], key?: string): Promise<string> {
  setting.topics += 1
  const topic = `topic-${setting.topics}`
  setting.broker.createTopic(topic)
  const producer = new TestProducer({ 'bootstrap.servers': setting.broker.bootstrapServers })
  for (const value of values) await producer.send({ topic, key: key ?? value, value })
  await producer.flush()
  await producer.close()
  return topic
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

type Extra = Omit<Partial<ParallelConsumerOptions>, 'kafka' | 'topics'>

function consumerOf({ broker }: Setting, topic: string, extra: Extra = {}): ParallelConsumer {
  const servers = { 'bootstrap.servers': broker.bootstrapServers, 'group.id': `group-of-${topic}` }
  // The mock waits the session timeout less a second for a group's next member after the last one has left.
  const kafka = { ...servers, 'session.timeout.ms': 1_500, 'heartbeat.interval.ms': 300 }
  return new ParallelConsumer({ kafka, topics: [topic], commitInterval: 50, logger: silent, ...extra })
}

function rejectionOf(running: Promise<unknown>): Promise<unknown> {
  return running.then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** Calls `work` for each message, and closes the consumer after so many. */
async function runUntil(consumer: ParallelConsumer, count: number, work: Handler): Promise<void> {
  let handled = 0
  let closed: Promise<void> | undefined
  await consumer.run(async (message, context) => {
    await work(message, context)
    handled += 1
    if (handled === count) closed = consumer.close()
  })
  await closed
}

test('run() hands over every message and resolves after close()', async (setting) => {
  const values = Array.from({ length: 500 }, (_, i) => `value ${i}`)
  const consumer = consumerOf(setting, await topicWith(setting, values))
  const seen: string[] = []
  await runUntil(consumer, values.length, (message) => seen.push(String(message.value)))
  assert.equal(seen.sort(), [...values].sort())
  assert.is(consumer.stats().settled, values.length)
})

test('messages of one key come one at a time, in order', async (setting) => {
  const values = Array.from({ length: 100 }, (_, i) => String(i).padStart(3, '0'))
  const consumer = consumerOf(setting, await topicWith(setting, values, 'one key'))
  const seen: string[] = []
  let running = 0
  await runUntil(consumer, values.length, async (message) => {
    running += 1
    assert.is(running, 1)
    await Promise.resolve()
    seen.push(String(message.value))
    running -= 1
  })
  assert.equal(seen, values)
})

test('a failed message is tried again, with the attempt it is, before the next one of its key', async (setting) => {
  const consumer = consumerOf(setting, await topicWith(setting, ['a', 'b'], 'one key'), { retry: { delay: 1 } })
  const seen: string[] = []
  await runUntil(consumer, 2, ({ value }, { attempt }) => {
    seen.push(`${value} ${attempt}`)
    if (String(value) === 'a' && attempt < 3) throw new Error('not yet')
  })
  assert.equal(seen, ['a 1', 'a 2', 'a 3', 'b 1'])
})

test('when the attempts are used up, run() rejects and names the message and the cause', async (setting) => {
  const topic = await topicWith(setting, ['poison'])
  const consumer = consumerOf(setting, topic, { retry: { maxAttempts: 2, delay: 0 } })
  const cause = new Error('never works')
  const error = await rejectionOf(consumer.run(() => Promise.reject(cause)))
  assert.ok(LanewayError.is(error))
  assert.is(error.code, 'RETRIES_EXHAUSTED')
  assert.is(error.cause, cause)
  assert.equal(error.details, { topic, partition: 0, offset: 0, attempts: 2 })
})

test('a message that exhausted its attempts is not settled: the next consumer gets it', async (setting) => {
  const topic = await topicWith(setting, ['poison'])
  const failing = consumerOf(setting, topic, { retry: { maxAttempts: 1 } })
  await rejectionOf(failing.run(() => Promise.reject(new Error('no'))))
  const seen: string[] = []
  await runUntil(consumerOf(setting, topic), 1, ({ value }) => seen.push(String(value)))
  assert.equal(seen, ['poison'])
})

test('what was settled is not handed over again after a restart', async (setting) => {
  const topic = await topicWith(setting, ['a', 'b', 'c'])
  await runUntil(consumerOf(setting, topic), 3, () => undefined)
  const producer = new TestProducer({ 'bootstrap.servers': setting.broker.bootstrapServers })
  await producer.send({ topic, key: 'd', value: 'd' })
  await producer.flush()
  await producer.close()
  const seen: string[] = []
  await runUntil(consumerOf(setting, topic), 1, ({ value }) => seen.push(String(value)))
  assert.equal(seen, ['d'])
})

test('a retry policy that fails ends run() with an error that names it', async (setting) => {
  for (const delay of [() => Number.NaN, () => failWith(new Error('broken policy'))]) {
    const consumer = consumerOf(setting, await topicWith(setting, ['a']), { retry: { delay } })
    const error = await rejectionOf(consumer.run(() => failWith(new Error('no'))))
    assert.ok(LanewayError.is(error))
    assert.is(error.code, 'CONFIG_INVALID')
    assert.is(error.issues[0]?.field, 'retry.delay')
  }
})

test('a topic that does not exist ends run() with a typed error, not with a wait', async (setting) => {
  const kafka = {
    'bootstrap.servers': setting.broker.bootstrapServers,
    'group.id': 'nobody',
    'allow.auto.create.topics': false,
    'topic.metadata.propagation.max.ms': 0,
  }
  const consumer = new ParallelConsumer({
    kafka,
    logger: silent,
    topics: ['^missing-.*-never$', 'topic-that-is-not-there'],
  })
  const error = await rejectionOf(Promise.race([consumer.run(() => undefined), failAfter(20_000)]))
  await consumer.close()
  assert.ok(LanewayError.is(error), String(error))
  assert.is(error.code, 'TOPIC_UNKNOWN')
})

test('close() waits for running handlers, and starts no others', async (setting) => {
  const consumer = consumerOf(setting, await topicWith(setting, ['a', 'b'], 'one key'))
  const seen: string[] = []
  let closed: Promise<void> | undefined
  const running = consumer.run(async ({ value }) => {
    closed = consumer.close()
    await new Promise((resolve) => setTimeout(resolve, 20))
    seen.push(String(value))
  })
  await running
  await closed
  assert.equal(seen, ['a'])
  assert.is(consumer.stats().settled, 1)
})

test('close() with abort fires the signals and waits for nothing', async (setting) => {
  const consumer = consumerOf(setting, await topicWith(setting, ['a']))
  let reason: unknown
  await consumer.run((_, { signal }) => {
    signal.addEventListener('abort', () => {
      reason = signal.reason
    })
    void consumer.close({ mode: 'abort' })
    return new Promise(() => undefined)
  })
  assert.ok(LanewayError.is(reason))
  assert.is(reason.code, 'CONSUMER_CLOSED')
})

test('close() gives up on a handler that never ends when its deadline passes', async (setting) => {
  const consumer = consumerOf(setting, await topicWith(setting, ['a']))
  await consumer.run(() => {
    void consumer.close({ deadline: 10 })
    return new Promise(() => undefined)
  })
  assert.is(consumer.stats().settled, 0)
})

test('a consumer is closed twice, and without ever having run', async (setting) => {
  const consumer = consumerOf(setting, 'unused')
  await Promise.all([consumer.close(), consumer.close()])
  await consumer.close({ mode: 'abort' })
})

test('close() refuses what it cannot do, by name, and stays open', async (setting) => {
  const consumer = consumerOf(setting, await topicWith(setting, ['a']))
  const wrong: readonly (readonly [field: string, options: object])[] = [
    ['mode', { mode: 'later' }],
    ['deadline', { deadline: Number.POSITIVE_INFINITY }],
    ['deadline', { deadline: -1 }],
    ['timeout', { timeout: 5 }],
  ]
  for (const [field, options] of wrong) {
    const error = await rejectionOf(consumer.close(options))
    assert.ok(LanewayError.is(error))
    assert.is(error.issues[0]?.field, field)
  }
  await runUntil(consumer, 1, () => undefined)
})

test('a consumer runs once', async (setting) => {
  const consumer = consumerOf(setting, await topicWith(setting, []))
  const running = consumer.run(() => undefined)
  const second = await rejectionOf(consumer.run(() => undefined))
  assert.ok(LanewayError.is(second) && second.code === 'ALREADY_RUNNING')
  await consumer.close()
  await running
  const third = await rejectionOf(consumer.run(() => undefined))
  assert.ok(LanewayError.is(third) && third.code === 'CONSUMER_CLOSED')
})

test('an engine that does not start, or does not stop, ends run() with a typed error', async (setting) => {
  const topic = await topicWith(setting, [])
  const engines: readonly Engine[] = [
    { start: () => failWith(new Error('broken engine')), stop: async () => undefined },
    { start: () => Promise.reject(new Error('broken engine')), stop: async () => undefined },
    { start: () => undefined, stop: () => Promise.reject(new Error('broken engine')) },
  ]
  for (const engine of engines) {
    const consumer = consumerOf(setting, topic, { engine })
    const running = rejectionOf(consumer.run(() => undefined))
    await Promise.race([running, sleep(100)])
    await consumer.close()
    const error = await running
    assert.ok(LanewayError.is(error))
    assert.is(error.code, 'INTERNAL')
    assert.match(error.message, 'broken engine')
  }
})

test('an engine that never ends to start does not keep run() from ending', async (setting) => {
  const engine: Engine = { start: () => new Promise(() => undefined), stop: async () => undefined }
  const consumer = consumerOf(setting, await topicWith(setting, []), { engine })
  const running = consumer.run(() => undefined)
  await consumer.close()
  await running
})

test('a message that exhausts its attempts while the consumer is closed is logged, and comes again', async (setting) => {
  const topic = await topicWith(setting, ['a'])
  const warnings: unknown[] = []
  const logger: Logger = { ...silent, warn: (_, fields) => warnings.push(fields?.['error']) }
  const consumer = consumerOf(setting, topic, { logger, retry: { maxAttempts: 1 } })
  await consumer.run(() => {
    void consumer.close()
    return Promise.reject(new Error('no'))
  })
  assert.ok(warnings.some((error) => LanewayError.is(error) && error.code === 'RETRIES_EXHAUSTED'))
  const seen: string[] = []
  await runUntil(consumerOf(setting, topic), 1, ({ value }) => seen.push(String(value)))
  assert.equal(seen, ['a'])
})

for (const [what, source, status] of [
  ['a consumer that never runs does not keep its process', '', 0],
  ['a consumer that runs does', 'void consumer.run(() => undefined)', undefined],
] as const) {
  test(what, async (setting) => {
    const { broker } = setting
    const topic = await topicWith(setting, [])
    const kafka = { 'bootstrap.servers': broker.bootstrapServers, 'group.id': 'alive' }
    const code = `import { ParallelConsumer } from 'laneway'
      const consumer = new ParallelConsumer({ kafka: ${JSON.stringify(kafka)}, topics: ['${topic}'] })
      ${source}
      process.stdout.write('made')`
    const cwd = dirname(sourceFile('package.json'))
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { cwd })
    const ended = once(child, 'close')
    await once(child.stdout, 'data')
    const [seen] = await Promise.race([ended, sleep(status === 0 ? 10_000 : 1_000, [undefined])])
    child.kill('SIGKILL')
    await ended
    assert.is(seen, status)
  })
}

test('a wrong option of runBatches() is refused, and the consumer may still be run', async (setting) => {
  const topic = await topicWith(setting, ['a', 'b'], 'one key')
  const consumer = consumerOf(setting, topic)
  const error = await rejectionOf(consumer.runBatches(() => undefined, { maxMessages: 0 }))
  assert.ok(LanewayError.is(error))
  assert.is(error.code, 'CONFIG_INVALID')
  assert.is(consumer.health().state, 'new')
  const seen: string[] = []
  const running = consumer.runBatches((messages) => {
    for (const { value } of messages) seen.push(String(value))
    if (seen.length === 2) void consumer.close()
  })
  await running
  assert.equal(seen, ['a', 'b'])
})

test('a handler for an engine that brings its own along is refused by name', async (setting) => {
  const engine: Engine = { handlers: 'elsewhere', start: () => undefined, stop: async () => undefined }
  const consumer = consumerOf(setting, await topicWith(setting, []), { engine })
  const error = await rejectionOf(consumer.run(() => undefined))
  assert.ok(LanewayError.is(error))
  assert.is(error.issues[0]?.field, 'handler')
  assert.match(error.message, /brings its own/)
  const running = consumer.run()
  await consumer.close()
  await running
})

test('a handler that is no function is refused by name', async (setting) => {
  const consumer = consumerOf(setting, 'unused')
  const error = await rejectionOf(consumer.run('handler' as unknown as Handler))
  assert.ok(LanewayError.is(error))
  assert.is(error.issues[0]?.field, 'handler')
  await consumer.close()
})

test('without a logger, an unreachable broker is told on stderr: the consumer does not wait in silence', async () => {
  const { write } = process.stderr
  const kafka = { 'bootstrap.servers': '127.0.0.1:1', 'group.id': 'g' }
  const consumer = new ParallelConsumer({ kafka, topics: ['t'] })
  const told = new Promise<string>((resolve) => {
    process.stderr.write = (text) => {
      resolve(String(text))
      return true
    }
  })
  const running = consumer.run(() => undefined)
  assert.match(await told, /laneway (warning|error): .*127\.0\.0\.1:1/)
  await consumer.close()
  await running
  process.stderr.write = write
})

test('assignments and commits are told on diagnostics channels', async (setting) => {
  const told: string[] = []
  const listen = (_: unknown, name: string | symbol) => told.push(String(name))
  const names = ['laneway:assigned', 'laneway:committed', 'laneway:revoked']
  for (const name of names) subscribe(name, listen)
  await runUntil(consumerOf(setting, await topicWith(setting, ['a'])), 1, () => undefined)
  for (const name of names) unsubscribe(name, listen)
  for (const name of names) assert.ok(told.includes(name), `${name} in ${told.join(', ')}`)
})

function failWith(error: Error): never {
  throw error
}

function failAfter(ms: number): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing in ${ms} ms`)), ms).unref())
}

for (const extra of [
  { deadLetter: { topic: 'dead', kafka: { 'max.in.flight.requests.per.connection': 10 } } },
  { transactional: { id: 'tx', kafka: { 'max.in.flight.requests.per.connection': 10 } } },
]) {
  const option = Object.keys(extra).join()
  test(`${option}: properties that contradict each other reject run(), and the consumer closes`, async (setting) => {
    const consumer = consumerOf(setting, await topicWith(setting, []), { ...extra, logger: silent })
    const error: unknown = await consumer.run(() => undefined).catch((reason: unknown) => reason)
    assert.ok(LanewayError.is(error))
    assert.is(error.code, 'CONFIG_INVALID')
    assert.match(error.message, 'max.in.flight')
    await consumer.close()
  })
}

test.run()
