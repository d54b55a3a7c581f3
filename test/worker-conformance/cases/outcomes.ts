/** How handlers end, and what becomes of the rest of their run. */
import * as assert from 'uvu/assert'
import { v1 } from '../../../ts/contracts/worker-contract.js'
import type { Case } from '../conformance.js'
import type { Scene } from '../scene.js'
import type { ScriptedLease } from '../scripted-host.js'

const { Status } = v1

/** The settlement of one lease. */
async function settlementOf(scene: Scene, lease: ScriptedLease): Promise<v1.Settlement.$Properties> {
  const { session } = await scene.open()
  const [[id] = []] = session.lease([[lease]])
  return session.settlementOf(id)
}

export const outcomes: readonly Case[] = [
  {
    title: 'a failure has a code, a message and a stack, and says nothing about another attempt by itself',
    async play(scene) {
      const { status, error } = await settlementOf(scene, { orders: { outcome: 'fail' } })
      assert.is(status, Status.STATUS_FAILED)
      assert.is(error?.code, 'ToldToFail')
      assert.is(error?.message, 'told to fail')
      assert.ok([null, undefined].includes(error?.retriable as null))
      assert.match(error?.stack ?? '', /\n/)
    },
  },
  {
    title: 'a failure that says that another attempt cannot help, says so to the host',
    async play(scene) {
      const { status, error } = await settlementOf(scene, { orders: { outcome: 'fail', retriable: false } })
      assert.is(status, Status.STATUS_FAILED)
      assert.is(error?.retriable, false)
    },
  },
  {
    title: 'retry: with its delay',
    async play(scene) {
      const { status, delayMs } = await settlementOf(scene, { orders: { outcome: 'retry', delayMs: 1_234 } })
      assert.is(status, Status.STATUS_RETRY)
      assert.is(delayMs, 1_234)
    },
  },
  {
    title: 'drop: the reason is the message',
    async play(scene) {
      const { status, error } = await settlementOf(scene, { orders: { outcome: 'drop', reason: 'too old' } })
      assert.is(status, Status.STATUS_DROP)
      assert.is(error?.message, 'too old')
    },
  },
  {
    title: 'dead letter: the reason is the message',
    async play(scene) {
      const { status, error } = await settlementOf(scene, { orders: { outcome: 'deadLetter', reason: 'no such user' } })
      assert.is(status, Status.STATUS_DEAD_LETTER)
      assert.is(error?.message, 'no such user')
    },
  },
  {
    title: 'fatal',
    async play(scene) {
      const { status, error } = await settlementOf(scene, { orders: { outcome: 'fatal' } })
      assert.is(status, Status.STATUS_FATAL)
      assert.match(error?.message ?? '', /./)
    },
  },
  {
    title: 'the attempt is known to the handler: it fails until the third, and then completes',
    async play(scene) {
      const { session } = await scene.open()
      const orders = { failUntil: 3 }
      const statuses: (v1.Status | null | undefined)[] = []
      for (const attempt of [1, 2, 3]) {
        const [[lease] = []] = session.lease([[{ orders, attempt, firstFailedAtMs: 1_700_000_000_000 }]])
        statuses.push((await session.settlementOf(lease)).status)
      }
      assert.equal(statuses, [Status.STATUS_FAILED, Status.STATUS_FAILED, Status.STATUS_COMPLETED])
      assert.equal(
        scene.ledger().flatMap(({ event, attempt }) => (event === 'start' ? [attempt] : [])),
        [1, 2, 3],
      )
    },
  },
  ...(['fail', 'retry', 'drop', 'deadLetter', 'fatal'] as const).map((outcome) => ({
    title: `after "${outcome}" the later leases of its run are forgotten: not run, not answered for`,
    async play(scene: Scene) {
      const { session } = await scene.open()
      const [first = [], second = []] = session.lease([[{}, { orders: { outcome } }, {}, {}], [{}]])
      await session.settlementOf(first[1])
      const [[last] = []] = session.lease([[{}]])
      await session.settlementOf(last)
      await session.settlementOf(second[0])
      assert.is(session.settlements.length, 4)
      assert.not(scene.events().includes(`start ${first[2]}`))
      assert.equal(session.violations, [])
    },
  })),
  {
    title: 'a handler that the worker does not have is a failed attempt, and the worker goes on',
    async play(scene) {
      const { session } = await scene.open()
      const [[lost] = []] = session.lease([[{}, {}]], 'no-such-handler')
      const { status, error } = await session.settlementOf(lost)
      assert.is(status, Status.STATUS_FAILED)
      assert.match(error?.message ?? '', /no-such-handler/)
      const [[lease] = []] = session.lease([[{}]])
      assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
      assert.equal(session.violations, [])
    },
  },
]
