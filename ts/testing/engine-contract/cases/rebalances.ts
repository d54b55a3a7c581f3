/** Partitions that go to another member while handlers run: what was taken before does not start any more. */
import { expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import { at } from '../ledger.js'

const PARTITIONS = 4
/** Beyond the revoke's patience, so that the partition goes while they run. */
const BUSY_MS = 1_500
const REVOKE_MS = 100

export const rebalanceCases: readonly CaseInScene[] = [
  {
    name: 'what another member has taken over meanwhile is not started any more, and nothing is lost',
    partitions: PARTITIONS,
    async play(scene) {
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        await scene.produce([{ key: 'k', value: { ignoreCancelMs: BUSY_MS }, partition }])
        await scene.produce(Array.from({ length: 5 }, () => ({ key: 'k', value: {}, partition })))
      }
      const life = await scene.begin({ rebalanceTimeout: REVOKE_MS })
      await life.until('a handler runs in every partition', () => scene.lines().length === PARTITIONS)
      const elsewhere: { partition: number; offset: number }[] = []
      const other = scene.beginOther(({ partition, offset }) => void elsewhere.push({ partition, offset }))
      await other.until('both have settled all of their share', () => {
        return elsewhere.length > 0 && life.committed + other.committed === scene.produced.length
      })
      const gone = new Set(elsewhere.map(({ partition }) => partition))
      await life.close()
      for (const { event, partition, offset } of scene.lines()) {
        const isLate = event === 'start' && offset > 0 && gone.has(partition)
        expect(!isLate, 'nothing starts of a partition that is gone', () => at({ partition, offset }))
      }
    },
  },
]
