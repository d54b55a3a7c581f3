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

/** Undefined of nothing. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) }
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
