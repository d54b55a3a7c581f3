/** Lanes: each in order, side by side, no more of them than `concurrency`. */
import { expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import type { Draft } from '../scene.js'

const CONCURRENCY = 3

/** `count` messages for each of the keys, in turns. */
export function* inTurns(keys: readonly (string | null)[], count: number, orders: (i: number) => Draft['value']) {
  for (let i = 0; i < count * keys.length; i += 1) yield { key: keys[i % keys.length] ?? null, value: orders(i) ?? {} }
}

const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `key-${i}`)

export const laneCases: readonly CaseInScene[] = [
  {
    name: 'every message is handled once, and the end of each partition is committed',
    partitions: 4,
    async play(scene) {
      const drafts = [...inTurns([...keys(40), null], 50, () => ({}))]
      await scene.produce(drafts.map((draft, i) => ({ ...draft, partition: i % 4 })))
      const life = await scene.begin()
      await life.untilAllIsCommitted()
      await life.close()
      const ledger = scene.ledger()
      scene.checkAllRan(ledger)
      const { runs } = ledger
      expect(runs.length === scene.produced.length, 'what went well is not run again', () => `${runs.length} runs`)
    },
  },
  {
    name: 'messages of one key run one at a time, in their order, whether handlers are synchronous or not',
    async play(scene) {
      await scene.produce(inTurns(keys(5), 60, (i) => (i % 3 === 0 ? {} : { sleepMs: 1 + (i % 4) })))
      const life = await scene.begin()
      await life.untilAllIsCommitted()
      await life.close()
      scene.checkAllRan(scene.ledger())
    },
  },
  {
    name: 'a message that hangs holds up its own key, and no other',
    async play(scene) {
      await scene.produce([{ key: 'stuck', value: { hangUntilCancelled: true } }, { key: 'stuck' }])
      await scene.produce(inTurns(keys(20), 10, () => ({})))
      const life = await scene.begin()
      await life.until('all others are settled', () => life.consumer.stats().settled === 200)
      await life.close('abort')
      const started = scene.ledger().runs.filter(({ key }) => key === 'stuck')
      expect(started.length === 1, 'a lane waits for its message', () => `${started.length} messages of it started`)
    },
  },
  {
    name: 'no more lanes are run at once than concurrency allows',
    async play(scene) {
      await scene.produce(inTurns(keys(30), 4, () => ({ sleepMs: 5 })))
      const life = await scene.begin({ concurrency: CONCURRENCY })
      await life.untilAllIsCommitted()
      await life.close()
      const ledger = scene.ledger()
      scene.checkAllRan(ledger)
      const { mostAtOnce } = ledger
      expect(mostAtOnce <= CONCURRENCY, `at most ${CONCURRENCY} lanes run at once`, () => `${mostAtOnce} did`)
    },
  },
]
