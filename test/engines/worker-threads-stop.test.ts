/** Every way in which a consumer on worker threads stops or loses its partitions, while its workers are busy. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, keyed } from './worker-run.js'

const test = suite<{ bench: Bench }>('worker threads that stop', { bench: undefined as never })

test.before((setting) => {
  setting.bench = new Bench()
})

test.after(({ bench }) => bench.close())

test('close() lets what runs end, settles it, and starts nothing', async ({ bench }) => {
  const run = await bench.run(keyed(400, 40, () => ({ sleepMs: 20 })))
  run.start()
  await run.until(() => run.linesWith('end').length >= 20)
  await run.consumer.close()
  assert.is(await run.ended, undefined)
  const started = run.linesWith('start').length
  assert.ok(started < 400)
  assert.is(run.linesWith('end').length, started)
  assert.is(run.consumer.stats().settled, started)
  await sleep(50)
  assert.is(run.linesWith('start').length, started)
})

test('close() with a deadline aborts what has not ended by then: its signals fire', async ({ bench }) => {
  const run = await bench.run(keyed(10, 10, () => ({ hang: true })))
  run.start()
  await run.until(() => run.linesWith('start').length === 10)
  await run.consumer.close({ deadline: 50 })
  assert.is(await run.ended, undefined)
  await run.until(() => run.linesWith('failed').length === 10)
  assert.is(run.consumer.stats().settled, 0)
  assert.is(run.failed.length, 0)
})

test('close() with abort fires the signals, waits for nothing, and may be said twice', async ({ bench }) => {
  const run = await bench.run(keyed(10, 10, () => ({ hang: true })))
  run.start()
  await run.until(() => run.linesWith('start').length === 10)
  const drained = run.consumer.close()
  await Promise.all([run.consumer.close({ mode: 'abort' }), run.consumer.close({ mode: 'abort' }), drained])
  assert.is(await run.ended, undefined)
  await run.until(() => run.linesWith('failed').length === 10)
})

test('a handler that blocks its thread for good does not keep close() from ending', async ({ bench }) => {
  const run = await bench.run([{ key: 'k', told: { block: true } }, ...keyed(20, 5)])
  run.start()
  await run.until(() => run.linesWith('start', 'k').length === 1)
  await run.consumer.close({ deadline: 50 })
  assert.is(await run.ended, undefined)
})

test('a consumer closes before its workers have loaded', async ({ bench }) => {
  for (const mode of ['drain', 'abort'] as const) {
    const run = await bench.run(keyed(1, 1), { module: new URL('./bad-modules.js?hangs', import.meta.url) })
    run.start()
    await run.consumer.close({ mode })
    assert.is(await run.ended, undefined)
  }
})

test('a worker that is lost while the consumer drains is not replaced, and its message has failed', async ({
  bench,
}) => {
  const run = await bench.run(
    keyed(4, 4, () => ({ sleepMs: 100, crash: 'exit' })),
    {},
    { retry: { maxAttempts: 1 }, onExhausted: 'drop' },
  )
  run.start()
  await run.until(() => run.linesWith('start').length === 4)
  await run.consumer.close()
  assert.is(await run.ended, undefined)
  const { settled, drops } = run.consumer.stats()
  assert.equal([settled, drops], [4, { 'its attempts are used up': 4 }])
})

test('a consumer is closed and another one goes on: nothing is lost, and what was settled does not run again', async ({
  bench,
}) => {
  const topic = await bench.topicOf(keyed(600, 30, () => ({ sleepMs: 2 })))
  const first = bench.runOn(topic).start()
  await first.until(() => first.linesWith('end').length >= 100)
  await first.consumer.close()
  const second = bench.runOn(topic)
  const left = 600 - first.consumer.stats().settled
  assert.is(await second.settle(left), undefined)
  const places = [first, second].flatMap((run) =>
    run.linesWith('end').map((line) => `${line.partition}/${line.offset}`),
  )
  assert.is(places.length, 600)
  assert.is(new Set(places).size, 600)
})

test.run()
