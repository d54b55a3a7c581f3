/** Workers that are lost, that wear out, and what becomes of what they had. */
import type { LanewayError } from 'laneway'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertKeyOrder, Bench, codeOf, keyed, type Sent } from './worker-run.js'

const test = suite<{ bench: Bench }>('worker threads that are lost', { bench: undefined as never })

test.before((setting) => {
  setting.bench = new Bench()
})

test.after(({ bench }) => bench.close())

const LITTLE_MEMORY = { maxOldGenerationSizeMb: 32 }

function crashing(crash: 'exit' | 'throw' | 'reject' | 'memory', until?: number): Sent[] {
  const told = until === undefined ? { crash } : { crash, until }
  return [...keyed(40, 10), { key: 'bad', told }, ...keyed(40, 10), { key: 'bad', told: {} }]
}

for (const [crash, why] of [
  ['exit', /ended with exit code 7 while it ran this message/],
  ['throw', /ended with Error: told to crash while/],
  ['reject', /ended with Error: told to crash while/],
  ['memory', /ended with .*ERR_WORKER_OUT_OF_MEMORY.* while/],
] as const) {
  test(`what ran in a worker that is lost (${crash}) has failed, and everything is settled in order`, async ({
    bench,
  }) => {
    const run = await bench.run(crashing(crash, 3), { resourceLimits: LITTLE_MEMORY })
    assert.is(await run.settle(82), undefined)
    const bad = run.failed.filter(({ key }) => key === 'bad')
    for (const { error } of bad) {
      assert.is(codeOf(error), 'WORKER_LOST')
      assert.match((error as Error).message, why)
    }
    assert.equal(
      bad.map(({ attempt }) => attempt),
      [1, 2],
    )
    assert.equal(
      run.linesWith('start', 'bad').map(({ attempt }) => attempt),
      [1, 2, 3, 1],
    )
    // Nothing else was counted but what ran beside it.
    for (const { attempt } of run.linesWith('end')) assert.ok(attempt <= 3)
    assert.is(run.consumer.stats().settled, 82)
  })
}

test('a message that ends each worker is given up when its attempts are used up', async ({ bench }) => {
  const run = await bench.run(
    crashing('exit'),
    {},
    { retry: { maxAttempts: 3, delay: 1 }, deadLetter: { topic: 'dead' } },
  )
  bench.broker.createTopic('dead')
  assert.is(await run.settle(82), undefined)
  assert.is(run.linesWith('start', 'bad').length, 4)
  assert.is(run.consumer.stats().deadLetters.delivered, 1)
})

test('without a dead-letter topic such a message ends run(), by its name', async ({ bench }) => {
  const run = await bench.run(crashing('exit'), {}, { retry: { maxAttempts: 2, delay: 1 } })
  const error = await run.settle(82)
  assert.is(codeOf(error), 'RETRIES_EXHAUSTED')
  assert.is(codeOf((error as LanewayError).cause), 'WORKER_LOST')
})

test('with onLost release what ran is run again without being counted', async ({ bench }) => {
  const run = await bench.run(crashing('exit', 2), { onLost: 'release' })
  run.start()
  await run.until(() => run.linesWith('start', 'bad').length >= 4)
  await run.consumer.close({ mode: 'abort' })
  assert.is(await run.ended, undefined)
  assert.is(run.failed.length, 0)
  for (const { attempt } of run.linesWith('start', 'bad')) assert.is(attempt, 1)
})

test('every loss is told, and its delay grows until a worker has served for a while', async ({ bench }) => {
  const run = await bench.run(crashing('exit', 4), { threads: 1 })
  await run.settle(82)
  const losses = run.warnings.filter(({ message }) => message.startsWith('the worker thread ended with exit code 7'))
  assert.is(losses.length, 3)
  for (const { fields } of losses) assert.ok(Number(fields?.['delayMs']) <= 10)
})

for (const handlers of ['told-handler', 'synchronous-handler']) {
  test(`workers are lost again and again: nothing runs twice but what ran then (${handlers})`, async ({ bench }) => {
    const messages = keyed(400, 20, (i) => (i % 40 === 7 ? { crash: 'exit', until: 2 } : {}))
    const run = await bench.run(messages, { threads: 3, module: new URL(`./${handlers}.js`, import.meta.url) })
    assert.is(await run.settle(400), undefined)
    assert.is(run.failed.filter(({ value }) => value.crash !== undefined).length, 10)
    assert.is(run.linesWith('start').length, 400 + run.failed.length)
    if (handlers === 'told-handler') return
    // What has ended is settled, also where its thread was lost before it could say so.
    assert.is(run.failed.length, 10)
    assert.is(run.linesWith('end').length, 400)
  })
}

test('a thread that a handler blocks is terminated some time after the timeout of handlers', async ({ bench }) => {
  const run = await bench.run(
    [{ key: 'bad', told: { block: true, until: 2 } }, ...keyed(20, 5)],
    {},
    { handlerTimeout: 200 },
  )
  assert.is(await run.settle(21), undefined)
  const error = run.failed.find(({ key }) => key === 'bad')?.error
  assert.is(codeOf(error), 'WORKER_LOST')
  assert.match(String(error), 'blocked for longer than handlerTimeout (200 ms)')
})

test('a thread that is busy for long, and gives way now and then, is not', async ({ bench }) => {
  const run = await bench.run(
    keyed(40, 1, () => ({ spinMs: 20 })),
    { threads: 1 },
    { handlerTimeout: 200 },
  )
  assert.is(await run.settle(40), undefined)
  assert.equal([run.failed.length, run.warnings.length], [0, 0])
})

test('a worker is replaced after so many messages, and nothing has failed', async ({ bench }) => {
  const run = await bench.run([], { recycle: { messages: 50 } })
  run.start()
  const threads = (): number => new Set(run.linesWith('end').map(({ thread }) => thread)).size
  let sent = 0
  while (threads() < 4) {
    await bench.send(run.topic, keyed(100, 20))
    sent += 100
    await run.untilSettled(sent)
  }
  await run.consumer.close()
  assert.is(await run.ended, undefined)
  assert.is(run.failed.length, 0)
  assert.equal(run.warnings, [])
  assertKeyOrder(run.lines)
  assert.is(run.linesWith('start').length, sent)
})

test('a worker is replaced when too much of its heap is in use', async ({ bench }) => {
  const run = await bench.run([], { threads: 1, recycle: { heapBytes: 48 * 1024 * 1024 } }, { concurrency: 1 })
  run.start()
  const threads = (): number => new Set(run.linesWith('end').map(({ thread }) => thread)).size
  let sent = 0
  while (threads() < 2) {
    await bench.send(run.topic, [{ key: 'k', told: { keepMb: 4 } }])
    sent += 1
    await run.untilSettled(sent)
  }
  await run.consumer.close()
  assert.is(await run.ended, undefined)
  assert.is(run.failed.length, 0)
  assert.is(run.linesWith('start').length, sent)
})

test.run()
