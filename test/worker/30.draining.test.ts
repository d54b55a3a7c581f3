/** How a worker ends: what a drain waits for, for how long, and what a second signal does. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { v1 } from '../../ts/contracts/worker-contract.js'
import type { Message } from '../../ts/ports/engine.js'
import type { WorkerHandler } from '../../ts/worker/attempt.js'
import { Moment, Stage, untilTold } from './stage.js'

const { Status } = v1
/** Longer than any test takes. */
const NEVER_MS = 2 ** 31 - 1
const SIGNAL = 'SIGUSR2'

type Obey = WorkerHandler<Message>

/** Runs until it is cancelled, then does what `end` says. */
function untilCancelled(started: Moment, end: (reason: unknown) => void = raise): Obey {
  return async (_message, { signal }) => {
    started.comes()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    end(signal.reason)
  }
}

function raise(reason: unknown): never {
  throw reason
}

test('a drain waits for what runs, gives back the rest, and run() resolves', async () => {
  await using stage = await Stage.open()
  const started = new Moment()
  const mayEnd = new Moment()
  const { worker, ending, session } = await stage.connected({
    handlers: { obey: untilTold(started, mayEnd) },
    concurrency: 1,
  })
  const [[first, second] = []] = session.lease([[{}, {}]])
  await started.came
  const drained = worker.drain()
  await session.until(() => session.drains[0])
  assert.equal(session.settlements, [])
  mayEnd.comes()
  assert.is(await session.ended(), 'closed')
  await drained
  assert.is(await ending, undefined)
  assert.is((await session.settlementOf(first)).status, Status.STATUS_COMPLETED)
  assert.is((await session.settlementOf(second)).status, Status.STATUS_RELEASED)
})

test('after drainTimeout handlers are cancelled, and answered for', async () => {
  await using stage = await Stage.open()
  const started = new Moment()
  const { worker, ending, session } = await stage.connected({
    handlers: { obey: untilCancelled(started) },
    drainTimeout: 20,
  })
  const [[lease] = []] = session.lease([[{}]])
  await started.came
  await worker.drain()
  assert.is(await ending, undefined)
  const { status, error } = await session.settlementOf(lease)
  assert.equal([status, error?.code], [Status.STATUS_FAILED, 'CANCELLED'])
  assert.match(error?.message ?? '', /drain takes too long/)
})

test('what ends well although the drain took too long is completed: the lease is still its own', async () => {
  await using stage = await Stage.open()
  const started = new Moment()
  const obey = untilCancelled(started, () => undefined)
  const { worker, session } = await stage.connected({ handlers: { obey }, drainTimeout: 20 })
  const [[lease] = []] = session.lease([[{}]])
  await started.came
  await worker.drain()
  assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
})

test('a handler that does not end is left: run() resolves, and says that its message comes again', async () => {
  await using stage = await Stage.open()
  const started = new Moment()
  const mayEnd = new Moment()
  const { worker, ending, session } = await stage.connected({
    handlers: { obey: untilTold(started, mayEnd) },
    drainTimeout: 0,
  })
  session.lease([[{}]])
  await started.came
  await worker.drain()
  assert.is(await ending, undefined)
  assert.equal(session.settlements, [])
  assert.ok(stage.warnings.some((text) => text.startsWith('1 handlers did not end in time')))
  mayEnd.comes()
})

test('a signal drains; a second one cancels at once', async () => {
  await using stage = await Stage.open()
  const started = new Moment()
  const { ending, session } = await stage.connected({
    handlers: { obey: untilCancelled(started) },
    drainTimeout: NEVER_MS,
    drainOn: [SIGNAL],
  })
  const [[lease] = []] = session.lease([[{}]])
  await started.came
  process.kill(process.pid, SIGNAL)
  assert.is(await session.until(() => session.drains[0]), SIGNAL)
  assert.equal(session.settlements, [])
  process.kill(process.pid, SIGNAL)
  const { error } = await session.settlementOf(lease)
  assert.is(error?.code, 'CANCELLED')
  assert.match(error?.message ?? '', /a second signal, SIGUSR2/)
  assert.is(await ending, undefined)
})

test('a worker listens to SIGTERM and SIGINT while it runs, and to no signal where the program wants them', async () => {
  await using stage = await Stage.open()
  const listeners = () => ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal))
  const before = listeners()
  await stage.connected({ drainOn: [] })
  assert.equal(listeners(), before)
  const { worker } = await stage.connected({ drainOn: undefined })
  assert.equal(
    listeners(),
    before.map((count) => count + 1),
  )
  await worker.drain()
  assert.equal(listeners(), before)
})

test('drain() may be called again, and resolves when run() does', async () => {
  await using stage = await Stage.open()
  const { worker, session } = await stage.connected()
  await Promise.all([worker.drain(), worker.drain()])
  await worker.drain()
  assert.is(session.drains.length, 1)
})

test.run()
