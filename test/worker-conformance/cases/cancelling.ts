/** Deadlines, cancelling, and hosts that say nothing. */
import * as assert from 'uvu/assert'
import { v1 } from '../../../ts/contracts/worker-contract.js'
import type { Case } from '../conformance.js'
import { hostTimeMs } from '../scripted-host.js'

const { Status } = v1
/** Of no lease that a script gives. */
const UNKNOWN_LEASE = 999_999

export const cancelling: readonly Case[] = [
  {
    title: 'a handler is cancelled at the deadline of its lease, by the host’s clock, and has failed',
    async play(scene) {
      const { session } = await scene.open()
      const [[lease] = []] = session.lease([[{ orders: { hangUntilCancelled: true }, timeoutMs: 1_500 }]])
      const { status, error } = await session.settlementOf(lease)
      assert.is(status, Status.STATUS_FAILED)
      assert.is(error?.code, 'DEADLINE_EXCEEDED')
      assert.ok(scene.events().includes(`cancelled ${lease}`))
    },
  },
  {
    title: 'a handler that runs past its deadline is answered for when it has really ended, as failed',
    async play(scene) {
      const { session } = await scene.open()
      const [run = []] = session.lease([[{ orders: { ignoreCancelMs: 2_500 }, timeoutMs: 1_500 }, {}]])
      const { status, error } = await session.settlementOf(run[0])
      assert.equal(scene.events(), [`start ${run[0]}`, `end ${run[0]}`])
      assert.is(status, Status.STATUS_FAILED)
      assert.is(error?.code, 'DEADLINE_EXCEEDED')
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'what has not started when its lease ends is given back without an attempt',
    async play(scene) {
      const { session } = await scene.open({ concurrency: 1 })
      const [[hung] = [], [waiting] = []] = session.lease([
        [{ orders: { hangUntilCancelled: true } }],
        [{ timeoutMs: 1_500 }],
      ])
      assert.is((await session.settlementOf(waiting)).status, Status.STATUS_RELEASED)
      assert.equal(scene.events(), [`start ${hung}`])
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'cancel: the handler of this lease is cancelled and answered for; others go on',
    async play(scene) {
      const { session } = await scene.open()
      const orders = { hangUntilCancelled: true }
      const [[cancelled] = [], [other] = []] = session.lease([[{ orders }], [{ orders }]])
      await scene.event('start', cancelled)
      await scene.event('start', other)
      session.cancel([cancelled ?? 0])
      const { status, error } = await session.settlementOf(cancelled)
      assert.is(status, Status.STATUS_FAILED)
      assert.match(error?.code ?? '', /./)
      assert.is(session.settlements.length, 1)
      assert.not(scene.events().includes(`cancelled ${other}`))
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'cancel: what has not started is given back; leases that the worker does not hold are ignored',
    async play(scene) {
      const { session } = await scene.open({ concurrency: 1 })
      const [[hung] = [], [waiting] = []] = session.lease([[{ orders: { hangUntilCancelled: true } }], [{}]])
      await scene.event('start', hung)
      session.cancel([waiting ?? 0, 4_711])
      assert.is((await session.settlementOf(waiting)).status, Status.STATUS_RELEASED)
      assert.equal(scene.events(), [`start ${hung}`])
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'cancel: a handler that ends well all the same has failed, and the later leases of its run are not started',
    async play(scene) {
      const { session } = await scene.open()
      const orders = { ignoreCancelMs: 500 }
      const runs = session.lease([
        [{ orders }, {}],
        [{ orders }, {}],
      ])
      for (const [head] of runs) await scene.event('start', head)
      for (const run of runs) session.cancel(run)
      for (const [head, later] of runs) {
        assert.is((await session.settlementOf(head)).status, Status.STATUS_FAILED)
        await session.until(() => (session.free === 32 ? true : undefined))
        assert.not(scene.events().includes(`start ${later}`))
      }
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'a handler is cancelled when the time of an attempt has passed, however late its lease ends',
    async play(scene) {
      const { session } = await scene.open({ attemptTimeoutMs: 1_000 })
      const [run = []] = session.lease([[{}, { orders: { hangUntilCancelled: true } }, {}]])
      const { status, error } = await session.settlementOf(run[1])
      assert.is(status, Status.STATUS_FAILED)
      assert.is(error?.code, 'DEADLINE_EXCEEDED')
      assert.not(scene.events().includes(`start ${run[2]}`))
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'a handler that kept everything waiting until the host may be lost is followed by no other',
    async play(scene) {
      const { host, session } = await scene.open({ concurrency: 1, heartbeatIntervalMs: 50, heartbeatTimeoutMs: 600 })
      session.isAnswering = false
      const [first = [], second = []] = session.lease([[{ orders: { spinMs: 2_000 } }, {}], [{}]])
      await host.welcomed()
      await scene.event('end', first[0])
      for (const lease of [first[1], ...second]) assert.not(scene.events().includes(`start ${lease}`))
    },
  },
  {
    title: 'a synchronous handler that ran past its deadline has failed, too',
    async play(scene) {
      const { session } = await scene.open()
      const [run = []] = session.lease([[{ orders: { spinMs: 2_500 }, timeoutMs: 1_500 }, {}]])
      const { status, error } = await session.settlementOf(run[0])
      assert.is(status, Status.STATUS_FAILED)
      assert.is(error?.code, 'DEADLINE_EXCEEDED')
      assert.not(scene.events().includes(`start ${run[1]}`))
    },
  },
  {
    title: 'a host that is silent for too long is lost: handlers are cancelled, and the worker dials again',
    async play(scene) {
      const { host, session } = await scene.open({ heartbeatIntervalMs: 50, heartbeatTimeoutMs: 500 })
      const [[lease] = []] = session.lease([[{ orders: { hangUntilCancelled: true } }]])
      session.isAnswering = false
      await scene.event('cancelled', lease)
      await session.ended()
      assert.equal(session.settlements, [])
      const next = await host.welcomed()
      const [[again] = []] = next.lease([[{}]])
      assert.is((await next.settlementOf(again)).status, Status.STATUS_COMPLETED)
      assert.equal(next.settlements.length, 1, 'nothing of the session before is settled in this one')
    },
  },
  {
    title:
      'a host that answers no new heartbeat is lost, whatever else it says, and however late it answers an old one',
    async play(scene) {
      const { host, session } = await scene.open({ heartbeatIntervalMs: 50, heartbeatTimeoutMs: 500 })
      const [[lease] = []] = session.lease([[{ orders: { hangUntilCancelled: true } }]])
      session.isAnswering = false
      const { sentAtMs } = await session.hello()
      const late = { sentAtMs: sentAtMs ?? 0, hostTimeMs: hostTimeMs() }
      const talking = setInterval(() => {
        session.cancel([UNKNOWN_LEASE])
        session.send({ heartbeatReply: late })
      }, 50)
      try {
        await scene.event('cancelled', lease)
        await host.welcomed()
      } finally {
        clearInterval(talking)
      }
      assert.equal(session.settlements, [])
    },
  },
  {
    title: 'a host that answers heartbeats is not lost, whatever else it does',
    async play(scene) {
      const { session } = await scene.open({ heartbeatIntervalMs: 50, heartbeatTimeoutMs: 1_000 })
      const [[lease] = []] = session.lease([[{ orders: { sleepMs: 2_500 } }]])
      assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
    },
  },
]
