/** Order statistics of a benchmark's runs, and the order in which its contestants take turns. */

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** The middle value, or the mean of the two middle ones. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

/** A value that was measured: the smallest that this share of them is not above. NaN of nothing. */
function nearestRank(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? Number.NaN
}

/** By nearest rank: a quarter of the values is at most as high. NaN of nothing. */
export function lowerQuartile(values: readonly number[]): number {
  return nearestRank(Float64Array.from(values).sort(), 0.25)
}

/** Undefined of nothing. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) }
}

export const PERCENTILE_RANKS = { p50: 0.5, p90: 0.9, p99: 0.99, 'p99.9': 0.999, max: 1 } as const
export type PercentileName = keyof typeof PERCENTILE_RANKS
export type Percentiles = Readonly<Record<PercentileName, number>>
export const PERCENTILE_NAMES = Object.keys(PERCENTILE_RANKS) as PercentileName[]

/** By nearest rank, so that each is a value that was measured. NaN of nothing. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (name: PercentileName): number => nearestRank(sorted, PERCENTILE_RANKS[name])
  return { p50: at('p50'), p90: at('p90'), p99: at('p99'), 'p99.9': at('p99.9'), max: at('max') }
}

/**
 * The order of `items` in a round: a Williams design, in which over `items.length` rounds (twice as many where that is
 * odd) everyone takes every place, and follows everyone else, equally often. So a slow minute of the machine, or what
 * a neighbour leaves in its caches, falls on all alike.
 */
export function balancedOrder<T>(items: readonly T[], round: number): T[] {
  const count = items.length
  const zigzag = items.map((_, place) => (place % 2 === 1 ? (place + 1) / 2 : (count - place / 2) % count))
  const order = zigzag.flatMap((start) => items.slice((start + round) % count).slice(0, 1))
  return count % 2 === 1 && Math.floor(round / count) % 2 === 1 ? order.toReversed() : order
}
