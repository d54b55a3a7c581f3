/** How a worker finds its host, greets it, loses it and gives it up. The rules of a session are in test/worker-conformance. */
import { setTimeout as sleep } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import { LanewayError, Worker } from 'laneway/worker'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { v1 } from '../../ts/contracts/worker-contract.js'
import { Stage } from './stage.js'

const { Status } = v1

function codeOf(error: unknown): string {
  assert.ok(LanewayError.is(error), String(error))
  return error.code
}

test('the hello says who the worker is, what it can do and how much it takes', async () => {
  await using stage = await Stage.open()
  const handlers = { score: () => undefined, rate: () => undefined }
  stage.start({ handlers, concurrency: 2, credits: 9, maxMessageBytes: 1_000, name: 'scorer', token: 'secret' })
  const session = await stage.host.session()
  const hello = await session.hello()
  assert.equal(hello.handlers, ['score', 'rate'])
  assert.equal([hello.contractVersion, hello.worker, hello.credits], [1, 'scorer', 9])
  assert.is(Number(hello.maxMessageBytes), 1_000)
  assert.match(hello.sdk ?? '', /^laneway-node\/\d+\.\d+/)
  assert.equal(session.metadata.get('authorization'), ['Bearer secret'])
})

test('credits are twice the concurrency where nothing else is said', async () => {
  await using stage = await Stage.open()
  stage.start({ concurrency: 7 })
  assert.is((await (await stage.host.session()).hello()).credits, 14)
})

test('a host that is never there is given up', async () => {
  await using stage = await Stage.open()
  const { ending } = stage.start({ address: stage.deserted, giveUpAfter: 50 })
  const error = await ending
  assert.is(codeOf(error), 'HOST_UNREACHABLE')
  assert.match((error as Error).message, /nobody\.sock for 50 ms/)
})

test('the time to give up begins when the host is lost, not when the worker is started', async () => {
  await using stage = await Stage.open()
  const giveUpAfter = 300
  const { ending, session } = await stage.connected({ giveUpAfter })
  await sleep(giveUpAfter)
  session.end()
  const again = await stage.host.welcomed()
  const [[lease] = []] = again.lease([[{}]])
  await again.settlementOf(lease)
  const lostAt = performance.now()
  await stage.host[Symbol.asyncDispose]()
  assert.is(codeOf(await ending), 'HOST_UNREACHABLE')
  assert.ok(performance.now() - lostAt >= giveUpAfter)
})

for (const code of [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'FAILED_PRECONDITION',
  'UNIMPLEMENTED',
  'UNAUTHENTICATED',
] as const) {
  test(`${code} before the welcome ends the worker with the host's reason`, async () => {
    await using stage = await Stage.open()
    const { ending } = stage.start()
    ;(await stage.host.session()).refuse(status[code], 'not you')
    const error = await ending
    assert.is(codeOf(error), 'WORKER_REFUSED')
    assert.match((error as Error).message, new RegExp(`${code}: not you`))
  })
}

test('the same status after the welcome is no refusal: the host is dialled again', async () => {
  await using stage = await Stage.open()
  const { session } = await stage.connected()
  session.refuse(status.FAILED_PRECONDITION, 'a rule was broken')
  const again = await stage.host.welcomed()
  const [[lease] = []] = again.lease([[{}]])
  assert.is((await again.settlementOf(lease)).status, Status.STATUS_COMPLETED)
})

test('a host that has no room is dialled again', async () => {
  await using stage = await Stage.open()
  stage.start()
  ;(await stage.host.session()).refuse(status.RESOURCE_EXHAUSTED, 'no room')
  await stage.host.welcomed()
})

test('a worker runs once', async () => {
  await using stage = await Stage.open()
  const { worker } = await stage.connected()
  try {
    await worker.run()
    assert.unreachable()
  } catch (error) {
    assert.is(codeOf(error), 'ALREADY_RUNNING')
  }
})

test('a worker that looks for a host can be drained', async () => {
  await using stage = await Stage.open()
  const { worker, ending } = stage.start({ address: stage.deserted, reconnect: { initial: 60_000, max: 60_000 } })
  await stage.warned()
  await worker.drain()
  assert.is(await ending, undefined)
})

test('a worker that was drained before run() takes nothing', async () => {
  await using stage = await Stage.open()
  const worker = new Worker({ handlers: { obey: () => undefined }, address: stage.deserted, drainOn: [] })
  await worker.drain()
  await worker.run()
})

test('what is settled together is told together', async () => {
  await using stage = await Stage.open()
  const { session } = await stage.connected({ credits: 2_000 })
  const runs = session.lease(Array.from({ length: 100 }, () => Array.from({ length: 20 }, () => ({}))))
  const last = await session.settlementOf(runs.at(-1)?.at(-1))
  assert.is(last.status, Status.STATUS_COMPLETED)
  assert.is(session.settlements.length, 2_000)
  assert.ok(session.frames.length < 200, `${session.frames.length} frames`)
})

test.run()
