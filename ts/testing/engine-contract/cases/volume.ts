/** Many messages, of which some fail, drop or sleep, as a seed draws them: every one is settled, in order. */
import { expect } from '../broken.js'
import type { CaseInScene, Volume } from '../engine-contract.js'
import type { Draft, Life, Scene } from '../scene.js'

const PARTITIONS = 4
const KEYS = 500
const SEED = 20_260_101
/** The embedded broker keeps some 5 MB of a partition: well within that. */
const MOST_AHEAD = 20_000
const CHUNK = 2_000

/** Mulberry32: the same numbers in each run. */
function* randomNumbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    yield ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

function* drafts(count: number): Generator<Draft> {
  const numbers = randomNumbers(SEED)
  const next = () => numbers.next().value
  for (let i = 0; i < count; i += 1) {
    const key = next() < 0.05 ? null : Math.floor(next() * KEYS)
    const partition = key === null ? i % PARTITIONS : key % PARTITIONS
    const fate = next()
    const failUntil = fate < 0.02 ? 2 + Math.floor(next() * 3) : undefined
    const sleepMs = fate > 0.9 ? Math.floor(next() * 3) : undefined
    const outcome = fate > 0.5 && fate < 0.51 ? 'drop' : undefined
    yield {
      key: key === null ? null : `key-${key}`,
      partition,
      value: { ...(failUntil && { failUntil }), ...(sleepMs && { sleepMs }), ...(outcome && { outcome }) },
    }
  }
}

async function produceInStep(scene: Scene, life: Life, all: readonly Draft[]): Promise<void> {
  for (let from = 0; from < all.length; from += CHUNK) {
    await scene.produce(all.slice(from, from + CHUNK))
    await life.until('messages go on being settled', () => {
      return scene.produced.length - life.consumer.stats().settled < MOST_AHEAD
    })
  }
}

export function volumeCases({ messages }: Volume): readonly CaseInScene[] {
  return [
    {
      name: `${messages.toLocaleString('en')} messages with random failures are all settled, in order`,
      partitions: PARTITIONS,
      async play(scene) {
        const all = [...drafts(messages)]
        const life = await scene.begin()
        await produceInStep(scene, life, all)
        await life.untilAllIsCommitted()
        await life.close()
        const ledger = scene.ledger()
        scene.checkAllRan(ledger)
        const failures = all.reduce((sum, { value }) => {
          return sum + (value !== null && value !== undefined && 'failUntil' in value ? (value.failUntil ?? 1) - 1 : 0)
        }, 0)
        const { length } = ledger.runs
        expect(length === messages + failures, 'as many runs as messages and failures', () => {
          return `${length} runs, ${messages} messages, ${failures} failures`
        })
      },
    },
  ]
}
