/** Closing: a drain lets what runs end and starts nothing more, an abort waits for nothing; both lose nothing. */
import { broken, expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import { at, type Run } from '../ledger.js'
import type { Life, Scene } from '../scene.js'
import { inTurns } from './lanes.js'

const LANES = 4
const PER_LANE = 12
/** Long enough that several are seen to run at once, and that a lane that goes on to its end is seen. */
const SLEEP_MS = 100

async function beginWithWork(scene: Scene): Promise<Life> {
  const keys = Array.from({ length: LANES }, (_, i) => `key-${i}`)
  await scene.produce(inTurns(keys, PER_LANE, () => ({ sleepMs: SLEEP_MS })))
  const life = await scene.begin({ concurrency: LANES, retry: { maxAttempts: 1 } })
  await life.until('messages are settled, and others run', () => life.consumer.stats().settled >= LANES)
  return life
}

/** What comes again to the next consumer of the group, by offset: all that was not settled. */
async function restOf(scene: Scene, settled: number): Promise<number[]> {
  const again: number[] = []
  const other = scene.beginOther(({ offset }) => void again.push(offset))
  await other.untilAllIsCommitted()
  await other.close()
  const wanted = scene.produced.length - settled
  expect(again.length === wanted, 'what was not settled comes again, and nothing else', () => {
    return `${again.length} messages, of ${wanted}`
  })
  return again
}

/** The signal has reached its handler; or the handler's process is gone with it. */
function isStopped({ isCancelled, worker }: Run): boolean {
  const pid = Number.parseInt(worker, 10)
  if (isCancelled || pid === process.pid) return isCancelled
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true // No such process.
  }
}

export const closingCases: readonly CaseInScene[] = [
  {
    name: 'a drain lets running handlers end, settles them, and starts nothing more',
    async play(scene) {
      const life = await beginWithWork(scene)
      const before = scene.lines().length
      await life.close('drain')
      if (life.error !== undefined) broken('run() resolves after a drain', String(life.error))
      const { runs } = scene.ledger()
      for (const run of runs) {
        expect(run.endedAt !== undefined && !run.isCancelled, 'what runs may end', () => at(run))
      }
      const late = runs.filter(({ startedAt }) => startedAt >= before).length
      expect(late <= LANES, 'a drain starts nothing more', () => `${late} handlers started after it`)
      const { settled } = life.consumer.stats()
      expect(settled === runs.length, 'what has ended is settled', () => `${settled} of ${runs.length}`)
      const ended = new Set(runs.map(({ offset }) => offset))
      for (const offset of await restOf(scene, settled)) {
        expect(!ended.has(offset), 'what was settled does not come again', () => `offset ${offset}`)
      }
    },
  },
  {
    name: 'a drain that takes longer than its deadline becomes an abort',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { hangUntilCancelled: true } }, { key: 'k' }])
      const life = await scene.begin()
      await life.until('the handler runs', () => scene.lines().length > 0)
      await life.close('drain', { deadline: 100 })
      await scene.until('the signal of the handler fires', () => scene.ledger().runs.every(isStopped))
      const { runs } = scene.ledger()
      expect(runs.length === 1, 'nothing starts after it', () => `${runs.length} runs`)
      await restOf(scene, 0)
    },
  },
  {
    name: 'an abort fires the signals of running handlers (or ends their process), and settles nothing of them',
    async play(scene) {
      const keys = Array.from({ length: LANES }, (_, i) => `key-${i}`)
      await scene.produce(inTurns(keys, PER_LANE, () => ({ hangUntilCancelled: true })))
      const life = await scene.begin({ concurrency: LANES })
      await life.until('a handler runs in every lane', () => scene.lines().length === LANES)
      await life.close('abort')
      if (life.error !== undefined) broken('run() resolves after an abort', String(life.error))
      await scene.until('the signal of every handler fires', () => scene.ledger().runs.every(isStopped))
      const { runs } = scene.ledger()
      expect(runs.length === LANES, 'nothing starts after it', () => `${runs.length} runs`)
      await restOf(scene, 0)
    },
  },
]
