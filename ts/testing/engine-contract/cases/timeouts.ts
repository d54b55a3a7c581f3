/** Handlers that run longer than `handlerTimeout`: their signal fires, and their lane waits for their end. */
import { expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import type { Scene } from '../scene.js'

const TIMEOUT_MS = 200

/** The first message of the lane times out twice, and is dropped then; the second one follows. */
async function timeOut(scene: Scene): Promise<void> {
  const life = await scene.begin({
    handlerTimeout: TIMEOUT_MS,
    retry: { maxAttempts: 2, delay: 1 },
    onExhausted: 'drop',
  })
  await life.untilAllIsCommitted()
  await life.close()
}

function checkAttempts(scene: Scene, isCancelled: boolean): void {
  const ledger = scene.ledger()
  const runs = ledger.attempts({ partition: 0, offset: 0 })
  expect(runs.length === 2, 'a timeout is one failed attempt', () => `${runs.length} attempts of 2`)
  for (const run of runs) {
    expect(run.endedAt !== undefined, 'a lane waits until the handler has ended', () => `attempt ${run.attempt}`)
    const seen = run.isCancelled ? 'it fired' : 'it did not fire'
    expect(run.isCancelled === isCancelled, 'the signal fires where a handler listens to it', () => seen)
  }
  const next = ledger.attempts({ partition: 0, offset: 1 }).length
  expect(next === 1, 'the lane goes on then', () => `${next} runs`)
}

export const timeoutCases: readonly CaseInScene[] = [
  {
    name: 'a handler that runs too long gets its signal, and has failed when it ends',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { hangUntilCancelled: true } }, { key: 'k' }])
      await timeOut(scene)
      checkAttempts(scene, true)
    },
  },
  {
    name: 'a handler that does not listen to its signal keeps its lane closed until it ends, and has failed',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { ignoreCancelMs: 4 * TIMEOUT_MS } }, { key: 'k' }])
      await timeOut(scene)
      checkAttempts(scene, false)
    },
  },
]
