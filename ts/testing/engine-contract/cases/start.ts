/** Starting: messages wait for it, and it may be broken off. */
import type { CaseInScene } from '../engine-contract.js'
import { inTurns } from './lanes.js'

const DELAY_MS = 800

export const startCases: readonly CaseInScene[] = [
  {
    name: 'workers that start slowly find their messages waiting',
    async play(scene) {
      await scene.produce(inTurns(['a', 'b', null], 20, () => ({})))
      const life = await scene.begin({}, { startDelayMs: DELAY_MS })
      await life.untilAllIsCommitted()
      await life.close()
      scene.checkAllRan(scene.ledger())
    },
  },
  {
    name: 'a consumer that is closed while its engine starts ends at once, in order',
    async play(scene) {
      await scene.produce(inTurns(['a', 'b', null], 20, () => ({})))
      const life = await scene.begin({}, { startDelayMs: DELAY_MS })
      await life.close()
      if (life.error !== undefined) throw life.error
      const other = await scene.begin()
      await other.untilAllIsCommitted()
      await other.close()
      scene.checkAllRan(scene.ledger())
    },
  },
]
