/** Drains, from either side. */
import * as assert from 'uvu/assert'
import { v1 } from '../../../ts/contracts/worker-contract.js'
import type { Case } from '../conformance.js'

const { Status } = v1

export const ending: readonly Case[] = [
  {
    title: 'drain from the host: what runs ends, what has not started is given back, the stream is closed',
    async play(scene) {
      const { session } = await scene.open({ concurrency: 1 })
      const [running = [], waiting = []] = session.lease([
        [{ orders: { sleepMs: 300 } }, {}],
        [{}, {}],
      ])
      await scene.event('start', running[0])
      session.drain()
      assert.is(await session.ended(), 'closed')
      assert.equal(
        session.settlements.map(({ lease, status }) => [Number(lease), status]),
        [
          [waiting[0], Status.STATUS_RELEASED],
          [running[0], Status.STATUS_COMPLETED],
          [running[1], Status.STATUS_RELEASED],
        ],
      )
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'a host that has drained the worker is dialled again',
    async play(scene) {
      const { host, session } = await scene.open()
      session.drain()
      assert.is(await session.ended(), 'closed')
      const next = await host.welcomed()
      const [[lease] = []] = next.lease([[{}]])
      assert.is((await next.settlementOf(lease)).status, Status.STATUS_COMPLETED)
    },
  },
  ...(['SIGTERM', 'SIGINT'] as const).map(
    (signal) =>
      ({
        title: `${signal}: the worker says that it drains, ends what runs, gives back the rest, and exits with 0`,
        async play(scene) {
          const { session, worker } = await scene.open({ concurrency: 2 })
          const slow = { orders: { sleepMs: 400 } }
          const [first = [], second = [], third = []] = session.lease([[slow, {}], [slow], [{}]])
          await scene.event('start', first[0])
          await scene.event('start', second[0])
          worker.signal(signal)
          assert.is(await session.ended(), 'closed')
          assert.is(await worker.ended(), 0)
          assert.is(session.drains.length, 1)
          const statusOf = (id: number | undefined) =>
            session.settlements.find(({ lease }) => Number(lease) === id)?.status
          assert.is(statusOf(first[0]), Status.STATUS_COMPLETED)
          assert.is(statusOf(first[1]), Status.STATUS_RELEASED)
          assert.is(statusOf(second[0]), Status.STATUS_COMPLETED)
          assert.is(statusOf(third[0]), Status.STATUS_RELEASED)
          assert.equal(session.violations, [])
        },
      }) satisfies Case,
  ),
  {
    title: 'SIGTERM: leases that were on their way are given back',
    async play(scene) {
      const { session, worker } = await scene.open()
      const [[running] = []] = session.lease([[{ orders: { sleepMs: 500 } }]])
      await scene.event('start', running)
      worker.signal('SIGTERM')
      await session.until(() => session.drains[0])
      const [[late] = []] = session.lease([[{}, {}]])
      assert.is((await session.settlementOf(late)).status, Status.STATUS_RELEASED)
      assert.is(await session.ended(), 'closed')
      assert.is(await worker.ended(), 0)
      assert.not(scene.events().includes(`start ${late}`))
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'SIGTERM with nothing to do, and SIGTERM without a host: exits with 0',
    async play(scene) {
      const { session, worker } = await scene.open()
      worker.signal('SIGTERM')
      assert.is(await session.ended(), 'closed')
      assert.is(await worker.ended(), 0)
      await scene.stopHost()
      const alone = scene.startWorker()
      await scene.until(() => alone.stderr !== '')
      alone.signal('SIGTERM')
      assert.is(await alone.ended(), 0)
    },
  },
]
