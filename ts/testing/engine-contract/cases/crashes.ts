/** Workers that die while they run messages: nothing is lost, no order broken, and others take their place. */
import { LanewayError } from '../../../errors.js'
import { expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import { inTurns } from './lanes.js'

const MOST_ATTEMPTS = 3

export const crashCases: readonly CaseInScene[] = [
  {
    name: 'what a worker held when it died is run again, in order, by another one',
    async play(scene) {
      const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`)
      await scene.produce(inTurns(keys, 20, (i) => ({ sleepMs: i % 3, crashUntil: i % 60 === 7 ? 2 : 1 })))
      const life = await scene.begin({ retry: { maxAttempts: 100, delay: 5 } })
      await life.untilAllIsCommitted()
      await life.close()
      const ledger = scene.ledger({ mayDie: true })
      scene.checkAllRan(ledger)
      const lost = ledger.runs.filter(({ endedAt }) => endedAt === undefined)
      expect(lost.length > 0, 'workers died in this case', () => 'none did')
    },
  },
  {
    name: 'a message that kills its worker each time is given up by the policy, and the next of its lane follows',
    async play(scene) {
      const always = MOST_ATTEMPTS + 1
      await scene.produce([{ key: 'k', value: { crashUntil: always } }, { key: 'k' }])
      // Alone: no other message is lost with its worker.
      const retry = { maxAttempts: MOST_ATTEMPTS, delay: 5 }
      const life = await scene.begin({ concurrency: 1, onExhausted: 'drop', retry })
      await life.untilAllIsCommitted()
      await life.close()
      const ledger = scene.ledger({ mayDie: true })
      const attempts = ledger.attempts({ partition: 0, offset: 0 }).length
      expect(attempts === MOST_ATTEMPTS, 'as many attempts as the policy allows', () => `${attempts}`)
      const next = ledger.attempts({ partition: 0, offset: 1 })
      expect(next.length === 1, 'the next one runs once', () => `${next.length} runs`)
    },
  },
  {
    name: 'the message that kills its worker is the one that is given up, not one before it in its lane',
    async play(scene) {
      await scene.produce([{ key: 'k' }, { key: 'k', value: { crashUntil: MOST_ATTEMPTS + 10 } }, { key: 'k' }])
      const life = await scene.begin({ concurrency: 1, retry: { maxAttempts: MOST_ATTEMPTS, delay: 5 } })
      await life.ended()
      const { error } = life
      const isExhausted = LanewayError.is(error) && error.code === 'RETRIES_EXHAUSTED'
      expect(isExhausted, 'run() rejects with RETRIES_EXHAUSTED', () => String(error))
      expect(error.details['offset'] === 1, 'the error names the message', () => error.message)
    },
  },
  {
    name: 'a worker that dies during a drain does not hold it up',
    async play(scene) {
      await scene.produce(inTurns(['a', 'b', 'c'], 5, () => ({ sleepMs: 150, crashUntil: 2 })))
      const life = await scene.begin({ retry: { maxAttempts: 100, delay: 5 } })
      await life.until('handlers run', () => scene.lines().length > 0)
      await life.close('drain')
      if (life.error !== undefined) throw life.error
      scene.ledger({ mayDie: true })
    },
  },
]
