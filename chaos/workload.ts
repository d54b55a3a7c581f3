/**
 * What the messages are and what their handlers do, all drawn from the seed: Zipf keys, so that a few lanes are always
 * busy; some messages without a key; handlers that take no time, a little, or longer than a revoke waits; and handlers
 * that fail a few times before they succeed.
 */
import { Random } from './random.js'

const KEYS = 400
const ZIPF_EXPONENT = 0.9
const KEYLESS_SHARE = 0.03

const FAILING_SHARE = 0.01
const MOST_FAILURES = 3
const CRASHING_SHARE = 0.0004

/** Handler times, most frequent first: up to this share of the messages, so many ms. */
const TIMES = [
  { share: 0.5, least: 0, most: 0 },
  { share: 0.99, least: 1, most: 4 },
  { share: 0.9998, least: 20, most: 120 },
  { share: 1, least: 1500, most: 5000 },
] as const

export interface Draft {
  readonly key: string | null
  readonly partition: number
}

/** The keys of one phase's messages, in the order in which they are produced. */
export class Drafts {
  readonly #random: Random
  readonly #partitions: number
  /** Share of the messages that have one of the keys up to this one. */
  readonly #cumulative: readonly number[]

  constructor(seed: number, phase: string, partitions: number) {
    this.#random = new Random(seed, 'keys', phase)
    this.#partitions = partitions
    let sum = 0
    const sums = Array.from({ length: KEYS }, (_, rank) => {
      sum += 1 / (rank + 1) ** ZIPF_EXPONENT
      return sum
    })
    this.#cumulative = sums.map((each) => each / sum)
  }

  next(): Draft {
    if (this.#random.next() < KEYLESS_SHARE) {
      return { key: null, partition: this.#random.between(0, this.#partitions - 1) }
    }
    const share = this.#random.next()
    const rank = this.#cumulative.findIndex((each) => share <= each)
    return { key: `key-${rank}`, partition: rank % this.#partitions }
  }
}

export interface Work {
  readonly durationMs: number
  readonly fails: boolean
  /** Its worker dies of it, where it has one. */
  readonly crashes: boolean
}

/** What the handler does at this attempt: the same in every process and in every run of the seed. */
export function workOf(seed: number, partition: number, offset: number, attempt: number): Work {
  const random = new Random(seed, 'work', partition, offset)
  const failures = random.next() < FAILING_SHARE ? random.between(1, MOST_FAILURES) : 0
  const share = random.next()
  const { least, most } = TIMES.find((each) => share <= each.share) ?? TIMES[0]
  const durationMs = random.between(least, most)
  return { durationMs, fails: attempt <= failures, crashes: attempt === 1 && random.next() < CRASHING_SHARE }
}
