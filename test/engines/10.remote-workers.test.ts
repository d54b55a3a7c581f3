/** Workers that dial in get messages as far as their credits go, and what they answer is what becomes of the messages. */
import { statSync } from 'node:fs'
import { DropMessage, FatalError, type LanewayError, RetryMessage, remoteWorkers, WorkerError } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runOf } from '../unit/scripted-taker.js'
import { HandWorker, Status } from './hand-worker.js'
import { ScriptedEngine } from './scripted-engine.js'

const COMPLETED = 0
const RETRIED = 1
const DROPPED = 3
const RELEASED = 4

test('a worker over a Unix socket gets the messages, and settles them', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  assert.is(statSync(address.replace('unix:', '')).mode & 0o777, 0o600)
  const worker = new HandWorker(address)
  worker.hello({ sentAtMs: 12.5 })
  const welcome = await worker.welcomed()
  assert.is(welcome.contractVersion, 1)
  assert.is(welcome.sentAtMs, 12.5)
  worker.obey()
  host.offer(runOf(3, 1, 2, 3), {
    partition: 4,
    messages: [
      {
        offset: 10,
        key: null,
        value: 'v',
        timestamp: 77,
        attempt: 2,
        firstFailedAt: 55,
        headers: [
          ['traceparent', '00-abc-def-01'],
          ['empty', null],
        ],
      },
    ],
  })
  await host.settledCount(4)
  assert.equal(
    host.settled.map(({ slot, outcome }) => [slot, outcome]),
    [
      [1, COMPLETED],
      [2, COMPLETED],
      [3, COMPLETED],
      [10, COMPLETED],
    ],
  )
  const last = worker.leases[3]
  assert.equal([last?.topic, last?.partition, last?.offset, last?.attempt], ['scripted', 4, 10, 2])
  assert.is(last?.message.key, null)
  assert.equal(last?.message.metadata, { traceparent: '00-abc-def-01' })
  assert.is(Buffer.from(last?.message.value ?? '').toString(), 'v')
  assert.is(last?.message.headers?.length, 2)
  worker.finish()
  await worker.ended
})

test('what a worker answers is what a handler would have thrown', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  host.decision = (offset) => (offset === 3 ? { kind: 'drop' } : { kind: 'retry', delayMs: 7 })
  const worker = new HandWorker(address)
  worker.hello()
  const error = { code: 'ValueError', message: 'no', retriable: false, details: { field: 'a' }, stack: 'at python' }
  host.offer(runOf(0, 1), runOf(1, 2), runOf(2, 3, 4), runOf(3, 5), runOf(4, 6), runOf(5, 7))
  await worker.leased(7)
  const answers: [number, number][] = [
    [1, Status.STATUS_FAILED],
    [2, Status.STATUS_RETRY],
    [3, Status.STATUS_DROP],
    [5, Status.STATUS_FATAL],
    [6, 99],
    [7, Status.STATUS_RELEASED],
  ]
  for (const [offset, status] of answers) {
    const lease = worker.leases.find((each) => each.offset === offset)?.id ?? 0
    worker.settle(lease, status, { error, delayMs: 50 })
  }
  await host.settledCount(7)
  assert.equal(
    host.settled.map(({ slot, outcome }) => [slot, outcome]),
    [
      [1, RETRIED],
      [2, RETRIED],
      [3, DROPPED],
      [4, RELEASED],
      [5, RETRIED],
      [6, RETRIED],
      [7, RELEASED],
    ],
  )
  const [failed, retry, drop, fatal, unknown] = host.decisions.map((each) => each.error)
  assert.instance(failed, WorkerError)
  const { code, message, retriable, details, stack } = failed as WorkerError
  assert.equal([code, message, retriable, details, stack], ['ValueError', 'no', false, { field: 'a' }, 'at python'])
  assert.is((retry as RetryMessage).delay, 50)
  assert.instance(retry, RetryMessage)
  assert.is((drop as DropMessage).reason, 'no')
  assert.instance(drop, DropMessage)
  assert.instance(fatal, FatalError)
  assert.is((unknown as WorkerError).code, 'STATUS_UNKNOWN')
})

test('no more messages than a worker has credits for; credits that come later count', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = new HandWorker(address)
  worker.hello({ credits: 3 })
  await worker.welcomed()
  host.offer(runOf(0, 1), runOf(1, 2), runOf(2, 3))
  await worker.leased(3)
  const takes = host.takes
  assert.is(host.largestTake, 3)
  worker.send({ credits: { credits: 5 } })
  host.offer(runOf(3, 4), runOf(4, 5))
  await worker.leased(5)
  assert.ok(host.takes > takes)
  assert.is(host.largestTake, 3)
})

test('large messages go through, each in a frame of its own', async () => {
  await using scripted = await ScriptedEngine.start()
  const worker = new HandWorker(scripted.address)
  worker.hello()
  worker.obey()
  const value = 'large '.repeat(2_000_000)
  for (const offset of [1, 2, 3]) scripted.host.offer({ partition: 0, messages: [{ offset, value }] })
  await scripted.host.settledCount(3)
  for (const { message } of worker.leases) assert.is(Buffer.from(message.value ?? '').toString(), value)
  assert.is(worker.leases.length, 3)
})

test('batches are refused: workers handle messages one by one', async () => {
  try {
    await ScriptedEngine.start({}, (host) => {
      host.batches = { handler: () => undefined, lanes: 'one', maxMessages: 1, maxBytes: 1, lingerMs: 0 }
    })
    assert.unreachable()
  } catch (error) {
    assert.is((error as LanewayError).code, 'CONFIG_INVALID')
  }
})

test('a handler that the worker does not offer is refused', async () => {
  await using scripted = await ScriptedEngine.start({ handler: 'score' })
  const worker = new HandWorker(scripted.address)
  worker.hello({ handlers: ['default'] })
  const { code, details } = await worker.ended
  assert.is(code, 5)
  assert.match(details, /"score"/)
})

test('an address where others could read is refused without TLS', () => {
  try {
    remoteWorkers({ listen: '0.0.0.0:0' })
    assert.unreachable()
  } catch (error) {
    assert.is((error as LanewayError).code, 'CONFIG_INVALID')
    assert.is((error as LanewayError).issues[0]?.field, 'listen')
  }
})

test.run()
