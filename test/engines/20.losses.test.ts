/** Whatever becomes of a worker, no lane opens while it may still run, and nothing that it held is lost. */
import type { LanewayError } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hostTimeMs } from '../../ts/engines/remote/session.js'
import { runOf, type ScriptedHost } from '../unit/scripted-taker.js'
import { HandWorker, Status } from './hand-worker.js'
import { ScriptedEngine } from './scripted-engine.js'

const COMPLETED = 0
const RETRIED = 1
const RELEASED = 4
const DEADLINE_MS = 30_000
const CANCELLED = 1
const FAILED_PRECONDITION = 9
const UNAVAILABLE = 14

const settled = ({ settled }: ScriptedHost): [number, number][] => settled.map(({ slot, outcome }) => [slot, outcome])
const codeOf = (host: ScriptedHost, index = 0): string | undefined =>
  (host.decisions[index]?.error as LanewayError | undefined)?.code

async function greeted(address: string, credits = 10): Promise<HandWorker> {
  const worker = new HandWorker(address)
  worker.hello({ credits })
  await worker.welcomed()
  return worker
}

test('a worker whose connection breaks: its lanes open when the deadlines that it was told have passed, not before', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 150 })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2, 3), runOf(1, 10))
  const leases = await worker.leased(4)
  worker.drop()
  await worker.ended
  await host.settledCount(1)
  const [first, second, third] = leases
  assert.ok((second?.deadlineMs ?? 0) - (first?.deadlineMs ?? 0) === 150, 'each lease of a run has a time of its own')
  assert.equal(settled(host), [[10, RETRIED]])
  assert.is(codeOf(host), 'WORKER_LOST')
  assert.ok(hostTimeMs() >= (leases.find(({ offset }) => offset === 10)?.deadlineMs ?? Number.NaN))
  await host.settledCount(2)
  assert.equal(settled(host)[1], [1, RETRIED])
  assert.ok(hostTimeMs() >= (third?.deadlineMs ?? Number.NaN), 'it may have been running the last one of the run')
})

test('a worker that counts by answered heartbeats: its lanes open when it must have stopped, well before the deadlines', async () => {
  const timeout = 1_000
  const leaseTimeout = 500
  await using scripted = await ScriptedEngine.start({ leaseTimeout, heartbeat: { interval: 10, timeout } })
  const { host, address } = scripted
  const worker = new HandWorker(address)
  const offsets = Array.from({ length: 100 }, (_, i) => i)
  worker.hello({ capabilities: ['answered-heartbeats'], credits: offsets.length })
  const { attemptTimeoutMs } = await worker.welcomed()
  assert.is(attemptTimeoutMs, leaseTimeout + timeout)
  host.offer(runOf(0, ...offsets))
  const leases = await worker.leased(offsets.length)
  worker.beat()
  await worker.until(() => worker.received.some(({ heartbeatReply }) => heartbeatReply))
  const answeredAtMs = worker.received.find(({ heartbeatReply }) => heartbeatReply)?.heartbeatReply?.hostTimeMs
  worker.drop()
  await worker.ended
  assert.equal(host.settled, [])
  await host.settledCount(1)
  assert.ok(hostTimeMs() >= (answeredAtMs ?? Number.NaN) + timeout + (attemptTimeoutMs ?? Number.NaN))
  assert.ok(hostTimeMs() < (leases.at(-1)?.deadlineMs ?? Number.NaN))
  assert.equal(settled(host), [[0, RETRIED]])
})

test('what a cut-off worker still settles, changes nothing', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 100, heartbeat: { interval: 10, timeout: 60 } })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1))
  const [lease] = await worker.leased(1)
  // Silent, though its connection is whole.
  const { code, details } = await worker.ended
  assert.is(code, UNAVAILABLE)
  assert.match(details, /nothing was heard of it for 60 ms/)
  const again = await greeted(address)
  again.settle(lease?.id ?? 0)
  await host.settledCount(1)
  assert.equal(settled(host), [[1, RETRIED]])
  host.offer(runOf(1, 2))
  const [next] = await again.leased(1)
  again.settle(next?.id ?? 0)
  await host.settledCount(2)
  assert.equal(settled(host)[1], [2, COMPLETED])
})

test('onLost release: what a lost worker held comes back without an attempt', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 20, onLost: 'release' })
  const worker = await greeted(scripted.address)
  scripted.host.offer(runOf(0, 1, 2))
  await worker.leased(2)
  worker.drop()
  await scripted.host.settledCount(1)
  assert.equal(settled(scripted.host), [[1, RELEASED]])
  assert.equal(scripted.host.decisions, [])
})

test('heartbeats keep a worker that has nothing else to say, and are answered with the host’s clock', async () => {
  await using scripted = await ScriptedEngine.start({ heartbeat: { interval: 20, timeout: 2_000 } })
  const worker = await greeted(scripted.address)
  assert.is(worker.welcome?.heartbeatIntervalMs, 20)
  assert.is(worker.welcome?.heartbeatTimeoutMs, 2_000)
  const before = hostTimeMs()
  worker.send({ heartbeat: { sentAtMs: 4.5 } })
  await worker.until(() => worker.received.some(({ heartbeatReply }) => heartbeatReply))
  const reply = worker.received.find(({ heartbeatReply }) => heartbeatReply)?.heartbeatReply
  assert.is(reply?.sentAtMs, 4.5)
  assert.ok((reply?.hostTimeMs ?? 0) >= before && (reply?.hostTimeMs ?? 0) <= hostTimeMs())
})

test('an attempt that takes too long is cancelled; its lane opens when the worker answers, and it has failed', async () => {
  await using scripted = await ScriptedEngine.start({}, (host) => {
    host.handlerTimeoutMs = 50
  })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2))
  const [lease] = await worker.leased(2)
  await worker.until(() => worker.cancelled.length > 0)
  assert.equal(worker.cancelled, [lease?.id])
  assert.equal(host.settled, [])
  worker.settle(lease?.id ?? 0, Status.STATUS_FAILED)
  await host.settledCount(1)
  assert.equal(settled(host), [[1, RETRIED]])
  assert.is(codeOf(host), 'HANDLER_TIMEOUT')
})

test('what was completed before its worker knew that it was late is completed, because its run has gone on', async () => {
  await using scripted = await ScriptedEngine.start({}, (host) => {
    host.handlerTimeoutMs = 50
  })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2))
  const [first, second] = await worker.leased(2)
  await worker.until(() => worker.cancelled.length > 0)
  worker.settle(first?.id ?? 0)
  worker.settle(second?.id ?? 0)
  await host.settledCount(2)
  assert.equal(settled(host), [
    [1, COMPLETED],
    [2, COMPLETED],
  ])
})

test('each message of a run has the whole time', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 400 })
  const { host, address } = scripted
  const worker = await greeted(address)
  const offsets = [1, 2, 3, 4]
  host.offer(runOf(0, ...offsets))
  const leases = await worker.leased(4)
  for (const { id } of leases) {
    await new Promise((resolve) => setTimeout(resolve, 150))
    worker.settle(id)
  }
  await host.settledCount(4)
  assert.equal(
    settled(host),
    offsets.map((offset) => [offset, COMPLETED]),
  )
  assert.equal(worker.cancelled, [])
})

test('after a failure the later messages of the run are the host’s again', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = await greeted(address, 3)
  host.offer(runOf(0, 1, 2, 3))
  const leases = await worker.leased(3)
  worker.settle(leases[0]?.id ?? 0, Status.STATUS_FAILED)
  for (const { id } of leases.slice(1)) worker.settle(id)
  host.offer(runOf(1, 10), runOf(2, 20), runOf(3, 30))
  await worker.leased(6)
  assert.equal(settled(host), [[1, RETRIED]])
})

test('a settlement twice, or of a lease that was never given, changes nothing', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = await greeted(address)
  const other = await greeted(address)
  host.offer(runOf(0, 1))
  await Promise.race([worker.leased(1), other.leased(1)])
  const [holder, stranger] = worker.leases.length > 0 ? [worker, other] : [other, worker]
  const id = holder.leases[0]?.id ?? 0
  stranger.settle(id, Status.STATUS_FAILED)
  stranger.settle(999_999, Status.STATUS_FATAL)
  stranger.beat()
  await stranger.until(() => stranger.received.some(({ heartbeatReply }) => heartbeatReply))
  holder.settle(id)
  holder.settle(id)
  holder.settle(id, Status.STATUS_FAILED)
  holder.beat()
  await holder.until(() => holder.received.some(({ heartbeatReply }) => heartbeatReply))
  await host.settledCount(1)
  assert.equal(settled(host), [[1, COMPLETED]])
  assert.equal(host.decisions, [])
})

test('a worker that settles a run out of order has broken the contract: its session ends', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 20 })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2))
  const [, second] = await worker.leased(2)
  worker.settle(second?.id ?? 0)
  const { code, details } = await worker.ended
  assert.is(code, FAILED_PRECONDITION)
  assert.match(details, /before lease/)
  await host.settledCount(1)
  assert.equal(settled(host), [[1, RETRIED]])
})

test('a slow worker gets less: nothing while it has no credits, and others go on', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const slow = await greeted(address, 2)
  const fast = await greeted(address, 2)
  fast.obey()
  for (let i = 0; i < 100; i += 1) host.offer(runOf(i, i))
  await host.settledCount(98)
  assert.ok(slow.leases.length <= 2, `${slow.leases.length} messages for the slow one`)
  assert.ok(fast.leases.length >= 98)
})

test('a worker that reads nothing gets no more than its stream holds, and others go on', async () => {
  await using scripted = await ScriptedEngine.start({ heartbeat: { interval: 3_000, timeout: 60_000 } })
  const { host, address } = scripted
  const deaf = await greeted(address, 10_000)
  deaf.freeze()
  const value = 'x'.repeat(500_000)
  const count = 200
  for (let i = 0; i < count; i += 1) host.offer({ partition: i, messages: [{ offset: i, value }] })
  const worker = await greeted(address, 10)
  worker.obey()
  await host.settledCount(100)
  assert.ok(worker.leases.length >= 100)
})

test('drain: the worker is told so, settles what it has, and gets nothing new', async () => {
  await using scripted = await ScriptedEngine.start()
  const { engine, host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2))
  const [first, second] = await worker.leased(2)
  let isDrained = false
  const drained = engine.stop('drain', DEADLINE_MS).then(() => {
    isDrained = true
  })
  await worker.until(() => worker.received.some(({ drain }) => drain))
  host.offer(runOf(1, 10))
  worker.settle(first?.id ?? 0)
  await host.settledCount(1)
  assert.not(isDrained)
  worker.settle(second?.id ?? 0, Status.STATUS_RELEASED)
  await drained
  assert.equal(settled(host), [
    [1, COMPLETED],
    [2, RELEASED],
  ])
  const late = new HandWorker(address)
  late.hello()
  assert.is((await late.ended).code, UNAVAILABLE)
})

test('drain: the worker ends by itself, and others go on', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const leaving = await greeted(address, 1)
  host.offer(runOf(0, 1))
  const [lease] = await leaving.leased(1)
  leaving.send({ drain: {} })
  leaving.settle(lease?.id ?? 0)
  leaving.finish()
  assert.is((await leaving.ended).code, 0)
  host.offer(runOf(1, 2))
  const other = await greeted(address)
  other.obey()
  await host.settledCount(2)
  assert.is(leaving.leases.length, 1)
})

test('drain: its deadline passes; abort ends every stream, and what comes late changes nothing', async () => {
  await using scripted = await ScriptedEngine.start()
  const { engine, host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1))
  const [lease] = await worker.leased(1)
  await engine.stop('drain', 1)
  assert.equal(host.settled, [])
  const aborted = engine.stop('abort', 0)
  worker.settle(lease?.id ?? 0)
  await aborted
  assert.is((await worker.ended).code, UNAVAILABLE)
  assert.ok(host.isDetached)
  assert.equal(host.settled, [])
})

test('fence: handlers of the partition are cancelled; however they end, nothing is decided about their messages', async () => {
  await using scripted = await ScriptedEngine.start()
  const { engine, host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2), runOf(1, 10))
  const leases = await worker.leased(3)
  engine.fence?.([{ topic: 'scripted', partition: 0 }])
  await worker.until(() => worker.cancelled.length > 0)
  assert.equal(
    worker.cancelled,
    leases.filter(({ partition }) => partition === 0).map(({ id }) => id),
  )
  worker.settle(leases[0]?.id ?? 0, Status.STATUS_FAILED)
  worker.settle(leases[2]?.id ?? 0)
  await host.settledCount(2)
  assert.equal(settled(host), [
    [1, RELEASED],
    [10, COMPLETED],
  ])
  assert.equal(host.decisions, [])
})

test('a message that is larger than the worker takes is a failed attempt, and what is before it in its run is handled', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = new HandWorker(address)
  worker.hello({ maxMessageBytes: 100 })
  worker.obey()
  host.offer({ partition: 0, messages: [{ offset: 1 }, { offset: 2, value: 'x'.repeat(101) }, { offset: 3 }] })
  host.offer({ partition: 0, messages: [{ offset: 2, value: 'x'.repeat(101) }, { offset: 3 }] })
  await host.settledCount(3)
  assert.equal(settled(host), [
    [2, RELEASED],
    [2, RETRIED],
    [1, COMPLETED],
  ])
  assert.is(codeOf(host), 'LEASE_TOO_LARGE')
})

test('a message of a key that is poison is not sent', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = await greeted(address)
  host.decision = { kind: 'drop' }
  host.offer({ partition: 0, messages: [{ offset: 1, attempt: 0 }, { offset: 2 }] })
  await worker.leased(1)
  assert.is(codeOf(host), 'KEY_POISONED')
  assert.is(worker.leases[0]?.offset, 2)
})

test('outputs are kept with their message; where that is not possible, the attempt has failed', async () => {
  await using scripted = await ScriptedEngine.start({}, (host) => {
    host.isTransactional = true
  })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1), runOf(1, 2), runOf(2, 3))
  const [first, second, third] = await worker.leased(3)
  const outputs = [{ topic: 'out', key: Buffer.from('k'), value: Buffer.from('v'), headers: [{ name: 'h' }] }]
  worker.settle(first?.id ?? 0, Status.STATUS_COMPLETED, { outputs })
  worker.settle(second?.id ?? 0, Status.STATUS_COMPLETED, { outputs: [{ topic: '' }] })
  await host.settledCount(2)
  assert.equal(settled(host), [
    [1, COMPLETED],
    [2, RETRIED],
  ])
  assert.equal(host.outputs, [{ lease: first?.id, topic: 'out' }])
  assert.is(codeOf(host), 'RECORD_INVALID')
  host.isTransactional = false
  worker.settle(third?.id ?? 0, Status.STATUS_COMPLETED, { outputs })
  await host.settledCount(3)
  assert.is(codeOf(host, 1), 'NOT_TRANSACTIONAL')
})

test('where the host cannot take what a worker has completed, the lane opens when the worker has stopped going on', async () => {
  await using scripted = await ScriptedEngine.start({}, (host) => {
    host.isTransactional = true
  })
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer(runOf(0, 1, 2, 3))
  const [first, second, third] = await worker.leased(3)
  worker.settle(first?.id ?? 0, Status.STATUS_COMPLETED, { outputs: [{ topic: '' }] })
  await worker.until(() => worker.cancelled.length > 0)
  assert.equal(worker.cancelled, [second?.id, third?.id])
  assert.equal(host.settled, [])
  worker.settle(second?.id ?? 0)
  worker.settle(third?.id ?? 0)
  await host.settledCount(1)
  assert.equal(settled(host), [[1, RETRIED]])
  assert.is(codeOf(host), 'RECORD_INVALID')
})

test('a message that has failed goes to a worker alone', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = await greeted(address)
  host.offer({ partition: 0, messages: [{ offset: 1, attempt: 2 }, { offset: 2 }] })
  await worker.leased(1)
  await host.settledCount(1)
  assert.equal(settled(host), [[2, RELEASED]])
})

test('a worker that cancels its stream is lost like any other', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 10 })
  const worker = await greeted(scripted.address)
  scripted.host.offer(runOf(0, 1))
  await worker.leased(1)
  worker.drop()
  assert.is((await worker.ended).code, CANCELLED)
  await scripted.host.settledCount(1)
})

test.run()
