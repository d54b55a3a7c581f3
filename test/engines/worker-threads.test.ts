/** Worker threads do what the inline engine does, on more than one CPU: order, failures, batches, decoding, options. */
import { fileURLToPath } from 'node:url'
import { type LanewayError, ParallelConsumer, workerThreads } from 'laneway'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Told } from './told-handler.js'
import { assertKeyOrder, Bench, codeOf, keyed } from './worker-run.js'

const test = suite<{ bench: Bench }>('worker threads', { bench: undefined as never })
const moduleFile = (name: string): URL => new URL(`./${name}`, import.meta.url)

test.before((setting) => {
  setting.bench = new Bench()
})

test.after(({ bench }) => bench.close())

test('every message is handled once, each key in its order, on more than one thread', async ({ bench }) => {
  const run = await bench.run(keyed(600, 30, () => ({ spinMs: 0.2 })))
  assert.is(await run.settle(600), undefined)
  assertKeyOrder(run.lines)
  const ends = run.linesWith('end')
  assert.is(ends.length, 600)
  assert.is(new Set(ends.map(({ thread }) => thread)).size, 2)
})

test('messages that wait overlap, as many as concurrency says', async ({ bench }) => {
  const run = await bench.run(
    keyed(200, 200, () => ({ sleepMs: 20 })),
    {},
    { concurrency: 20 },
  )
  await run.settle(200)
  let running = 0
  let most = 0
  for (const { event } of run.lines) {
    running += event === 'start' ? 1 : -1
    most = Math.max(most, running)
  }
  assert.ok(most > 2 && most <= 20, `${most} at once`)
})

test('failures are retried in the order of their key, and the policy sees message and error', async ({ bench }) => {
  const run = await bench.run(keyed(120, 6, (i) => (i % 10 === 3 ? { fail: 'error', until: 3 } : {})))
  assert.is(await run.settle(120), undefined)
  assertKeyOrder(run.lines)
  assert.is(run.linesWith('end').length, 120)
  assert.is(run.failed.length, 24)
  for (const { error, key, value } of run.failed) {
    assert.match(key, /^key \d$/)
    assert.equal(value, { fail: 'error', until: 3 })
    assert.instance(error, Error)
    const { name, message, stack, code, status, cause } = error as Error & { code: string; status: number }
    assert.equal(
      { name, message, code, status },
      { name: 'Failure', message: 'told to fail', code: 'TOLD_TO', status: 503 },
    )
    assert.match(String(stack), 'told-handler')
    assert.match(String(cause), 'the cause')
  }
})

for (const fail of ['uncloneable', 'nothing', 'laneway'] as const) {
  test(`what cannot be cloned, and what is no error, is a failure like any other (${fail})`, async ({ bench }) => {
    const run = await bench.run([{ key: 'k', told: { fail, until: 2 } }])
    assert.is(await run.settle(1), undefined)
    assert.is(run.failed.length, 1)
    const error = run.failed[0]?.error
    if (fail === 'uncloneable') assert.match(String(error), 'Symbol(b)')
    if (fail === 'nothing') assert.is(error, undefined)
    if (fail === 'laneway') assert.equal([codeOf(error), (error as LanewayError).details], ['RECORD_INVALID', { n: 1 }])
  })
}

test('what a handler throws on purpose keeps its meaning', async ({ bench }) => {
  const dead: string[] = []
  const told: Told[] = [{ fail: 'retry', until: 3 }, { fail: 'drop' }, { fail: 'deadLetter' }, {}]
  const run = await bench.run(
    told.map((each) => ({ key: 'one key', told: each })),
    {},
    {
      retry: { maxAttempts: 1 },
      deadLetter: {
        topic: ({ value }) => {
          dead.push(String(value))
          return 'dead'
        },
      },
    },
  )
  bench.broker.createTopic('dead')
  assert.is(await run.settle(4), undefined)
  assert.equal(dead, [JSON.stringify({ fail: 'deadLetter' })])
  const { drops, deadLetters } = run.consumer.stats()
  assert.equal(drops, { 'told to be dropped': 1 })
  assert.is(deadLetters.delivered, 1)
  assert.equal(
    run.linesWith('start').map(({ attempt }) => attempt),
    [1, 2, 3, 1, 1, 1],
  )
  assertKeyOrder(run.lines)
})

test('a FatalError ends run()', async ({ bench }) => {
  const run = await bench.run([{ key: 'k', told: { fail: 'fatal' } }])
  assert.is(codeOf(await run.settle(1)), 'FATAL_HANDLER')
  assert.is(run.consumer.stats().settled, 0)
})

test('when the attempts are used up run() rejects, and what was settled elsewhere stays so', async ({ bench }) => {
  const messages = [...keyed(50, 10), { key: 'bad', told: { fail: 'error' } as const }]
  const run = await bench.run(messages, {}, { retry: { maxAttempts: 2, delay: 1 } })
  const error = await run.settle(51)
  assert.is(codeOf(error), 'RETRIES_EXHAUSTED')
  assert.is(((error as LanewayError).cause as Error).name, 'Failure')
})

test('a handler that runs too long has its signal fired, and has failed', async ({ bench }) => {
  const run = await bench.run(
    [{ key: 'k', told: { hang: true } }],
    {},
    { handlerTimeout: 50, onExhausted: 'drop', retry: { maxAttempts: 1 } },
  )
  await run.settle(1)
  assert.is(run.linesWith('failed').length, 1)
})

test('send() without the option transactional fails the attempt by name', async ({ bench }) => {
  const run = await bench.run(
    [{ key: 'k', told: { send: { topic: 't', value: 'v' } } }],
    {},
    { retry: { maxAttempts: 1 } },
  )
  const error = await run.settle(1)
  assert.is(codeOf((error as LanewayError).cause), 'NOT_TRANSACTIONAL')
})

test('keys that fail too often in a row are given up without being run', async ({ bench }) => {
  const run = await bench.run(
    keyed(4, 1, () => ({ fail: 'error' })),
    {},
    { retry: { maxAttempts: 2, delay: 1 }, onExhausted: 'drop', poisonKeys: { after: 2, action: 'giveUp' } },
  )
  await run.settle(4)
  // What is dropped for its attempts is not one of the failures in a row: the next message's is.
  assert.is(run.linesWith('start').length, 3)
  assert.equal(run.consumer.stats().drops, { 'its attempts are used up': 1, 'its key is poison': 3 })
})

for (const lanes of ['one', 'many'] as const) {
  test(`batches of ${lanes}: outcomes by message, in order`, async ({ bench }) => {
    const messages = keyed(90, 9, (i) => (i % 10 === 0 ? { fail: 'error', until: 2 } : {}))
    const run = await bench.run(messages, { module: moduleFile('told-batches.js') })
    run.start(() => run.consumer.runBatches({ lanes, maxMessages: 10 }))
    await run.untilSettled(90)
    await run.consumer.close()
    assert.is(await run.ended, undefined)
    assert.is(run.failed.length, 9)
    for (const { error, value } of run.failed) {
      assert.is((error as Error).message, 'told to fail')
      assert.is(value.fail, 'error')
    }
    assert.is(run.linesWith('end').length, 90)
  })
}

test('a batch that was lost counts for each of its messages', async ({ bench }) => {
  const run = await bench.run(
    keyed(5, 1, () => ({ crash: 'exit', until: 2 })),
    { module: moduleFile('told-batches.js') },
  )
  run.start(() => run.consumer.runBatches({ maxMessages: 5, linger: 2_000 }))
  await run.untilSettled(5)
  await run.consumer.close()
  assert.is(run.failed.length, 5)
  for (const { error, attempt } of run.failed) assert.equal([codeOf(error), attempt], ['WORKER_LOST', 1])
})

test('a module decodes by itself, and what cannot be decoded has failed by name', async ({ bench }) => {
  const run = await bench.run(
    [
      { key: 'a', told: { spinMs: 1 } },
      { key: 'not decoded', told: {} },
    ],
    { module: moduleFile('decoding-handler.js') },
    { onExhausted: 'drop', retry: { maxAttempts: 1 } },
  )
  assert.is(codeOf(await run.settle(2)), 'DESERIALIZATION_FAILED')
})

test('a module may be named by its path, too', async ({ bench }) => {
  const run = await bench.run(keyed(10, 2), { module: fileURLToPath(moduleFile('told-handler.js')) })
  assert.is(await run.settle(10), undefined)
})

const invalid: readonly [name: string, module: URL | string, expected: RegExp][] = [
  ['does not exist', '/no/such/module.js', /cannot be loaded/],
  ['throws', moduleFile('bad-modules.js?throws'), /cannot be loaded: Error: told to fail/],
  ['exits', moduleFile('bad-modules.js?exits'), /ended with exit code 3 before it was ready/],
  ['never ends to load', moduleFile('bad-modules.js?waits'), /before it was ready/],
  ['keeps the event loop and never ends to load', moduleFile('bad-modules.js?hangs'), /before it was ready/],
  ['blocks', moduleFile('bad-modules.js?blocks'), /before it was ready/],
  ['exports nothing', moduleFile('bad-modules.js?empty'), /no function as its default export/],
  ['has a setUp that fails', moduleFile('bad-modules.js?failing'), /cannot be set up: Error: told to fail/],
  ['has a setUp that returns nothing', moduleFile('bad-modules.js?nothing'), /returned no function/],
  ['has a wrong deserialize', moduleFile('bad-modules.js?decoder'), /deserialize/],
]

for (const [name, module, expected] of invalid) {
  test(`a module that ${name} ends run()`, async ({ bench }) => {
    const startTimeout = /never ends|blocks/.test(name) ? 500 : 60_000
    const run = await bench.run(keyed(1, 1), { module, startTimeout })
    const error = await run.settle(1)
    assert.is(codeOf(error), 'HANDLER_MODULE_INVALID')
    assert.match((error as LanewayError).message, expected)
  })
}

test('wrong options are named, all of them', () => {
  const options = {
    module: '',
    threads: 0,
    data: () => undefined,
    onLost: 'forget',
    recycle: { messages: 0 },
    restart: { initial: -1 },
    startTimeout: 0.5,
    resourceLimits: { heap: 1 },
    more: true,
  }
  let thrown: unknown
  try {
    workerThreads(options as never)
  } catch (error) {
    thrown = error
  }
  assert.is(codeOf(thrown), 'CONFIG_INVALID')
  const fields = (thrown as LanewayError).issues.map(({ field }) => field)
  assert.equal(fields.sort(), [
    'data',
    'module',
    'more',
    'onLost',
    'recycle.messages',
    'resourceLimits.heap',
    'restart.initial',
    'restart.max',
    'startTimeout',
    'threads',
  ])
})

test('an engine serves one consumer, once', async ({ bench }) => {
  const run = await bench.run(keyed(1, 1))
  await run.settle(1)
  const engine = workerThreads({ module: moduleFile('told-handler.js'), threads: 1 })
  const consumers = [1, 2].map(
    (i) =>
      new ParallelConsumer({
        kafka: { 'bootstrap.servers': bench.broker.bootstrapServers, 'group.id': `once-${i}` },
        topics: ['topic-1'],
        logger: { debug() {}, info() {}, warn() {}, error() {} },
        engine,
      }),
  )
  const [first, second] = consumers
  const running = first?.run()
  const error = await second?.run().catch((reason: unknown) => reason)
  assert.is(codeOf(error), 'ALREADY_RUNNING')
  await first?.close({ mode: 'abort' })
  await running
})

test.run()
