/** The hello, the order inside a run, runs beside each other, and credits. */
import * as assert from 'uvu/assert'
import type { Case } from '../conformance.js'
import { TOKEN } from '../scene.js'

const COMPLETED = 1

export const handling: readonly Case[] = [
  {
    title: 'hello: version, name, SDK, handlers, credits, clock, and the token',
    async play(scene) {
      const host = await scene.startHost()
      scene.startWorker()
      const session = await host.session()
      const hello = await session.hello()
      assert.is(hello.contractVersion, 1)
      assert.match(hello.worker ?? '', /./)
      assert.match(hello.sdk ?? '', /^laneway-[a-z]+\/\d+\.\d+\.\d+/)
      assert.equal(hello.handlers, ['obey'])
      assert.is(hello.credits, 32)
      assert.ok((hello.sentAtMs ?? 0) > 0)
      assert.equal(session.metadata.get('authorization'), [`Bearer ${TOKEN}`])
    },
  },
  {
    title: 'heartbeats come as often as the welcome asks for, by a clock that only goes forward',
    async play(scene) {
      const { session } = await scene.open({ heartbeatIntervalMs: 50 })
      const heartbeats = await session.until(() => (session.heartbeats.length >= 5 ? session.heartbeats : undefined))
      assert.equal(
        [...heartbeats].sort((a, b) => a - b),
        heartbeats,
      )
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'the leases of a run are handled one after the other, in their order',
    async play(scene) {
      const { session } = await scene.open()
      const [run = []] = session.lease([[{ orders: { sleepMs: 30 } }, {}, { orders: { sleepMs: 1 } }, {}]])
      await session.settlementOf(run.at(-1))
      assert.equal(
        scene.events(),
        run.flatMap((lease) => [`start ${lease}`, `end ${lease}`]),
      )
      assert.equal(
        session.settlements.map(({ status }) => status),
        [COMPLETED, COMPLETED, COMPLETED, COMPLETED],
      )
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'runs do not wait for each other',
    async play(scene) {
      const { session } = await scene.open()
      const [[hung] = [], [quick] = []] = session.lease([[{ orders: { hangUntilCancelled: true } }], [{}]])
      assert.is((await session.settlementOf(quick)).status, COMPLETED)
      await scene.event('start', hung)
      assert.equal(session.settlements.length, 1)
    },
  },
  {
    title: 'no more handlers run at once than the concurrency says, and all credits can be used',
    async play(scene) {
      const concurrency = 4
      const { session } = await scene.open({ concurrency })
      const runs = session.lease(Array.from({ length: session.free }, () => [{ orders: { sleepMs: 20 } }]))
      for (const [lease] of runs) await session.settlementOf(lease)
      let running = 0
      let most = 0
      for (const { event } of scene.ledger()) {
        running += event === 'start' ? 1 : -1
        most = Math.max(most, running)
      }
      assert.is(most, concurrency)
      assert.is(session.free, runs.length, 'settling gives the credits back')
      assert.equal(session.violations, [])
    },
  },
  {
    title: 'a thousand messages, as fast as credits come back, in many runs at once: each once, each run in order',
    async play(scene) {
      const { session } = await scene.open()
      const given: number[][] = []
      while (given.length < 250) {
        await session.until(() => (session.free >= 4 ? true : undefined))
        given.push(...session.lease([[{}, {}, {}, {}]]))
      }
      await session.until(() => (session.settlements.length === 1_000 ? true : undefined))
      assert.equal(session.violations, [])
      const starts = scene.ledger().flatMap(({ event, offset }) => (event === 'start' ? [offset] : []))
      assert.is(starts.length, 1_000)
      assert.is(new Set(starts).size, 1_000)
      for (const run of given) {
        assert.equal(
          starts.filter((offset) => run.includes(offset)),
          run,
        )
      }
    },
  },
  {
    title: 'what is settled in one burst shares frames',
    async play(scene) {
      const { session } = await scene.open({ concurrency: 64, credits: 128 })
      session.lease(Array.from({ length: session.free }, () => [{}]))
      const count = await session.until(() => (session.free === session.settlements.length ? session.free : undefined))
      assert.ok(session.frames.length <= count / 2, `${session.frames.length} frames for ${count} settlements`)
    },
  },
]
