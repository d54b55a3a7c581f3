/**
 * What a group has settled of one partition, and what an operator's skip or seek makes of it. Plain values: nothing here
 * knows Kafka or commit metadata, so that what a command is about to do can be computed, shown and tested alone.
 *
 * A change never settles an offset that it was not asked to settle.
 */
import { LanewayError } from '../errors.js'

/** Settled is every offset below `end` but the gaps. */
export interface Settled {
  /** One above the highest settled offset; a group that starts at an offset has it here. */
  readonly end: number
  /** Ascending, below `end`. */
  readonly gaps: Float64Array
}

/** The offsets that a log has: `start` up to and without `end`. */
export interface LogBounds {
  readonly start: number
  readonly end: number
}

/** How many offsets a gap map covers at most; native/core has the same limit. */
export const MAX_MAP_LENGTH = 2 ** 24

/** The lowest offset that is not settled: what is committed. */
export function committable({ end, gaps }: Settled): number {
  return gaps[0] ?? end
}

/** Settled is everything below the offset, and nothing else. */
export function settledBelow(offset: number): Settled {
  return { end: offset, gaps: new Float64Array() }
}

function checkLength(from: number, end: number): void {
  if (end - from <= MAX_MAP_LENGTH) return
  const most = MAX_MAP_LENGTH.toLocaleString('en-US')
  const text = `a gap map from offset ${from} to ${end - 1} would cover more than the ${most} offsets that it can`
  throw new LanewayError('OFFSET_INVALID', text, { details: { offset: from, highest: end - 1 } })
}

function range(from: number, to: number): Float64Array {
  return Float64Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i)
}

function concat(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Float64Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

/** The same, with these offsets settled too. */
export function skip({ end, gaps }: Settled, offsets: readonly number[]): Settled {
  const skipped = new Set(offsets)
  const highest = offsets.reduce((most, offset) => Math.max(most, offset), end - 1)
  const isLeft = (offset: number): boolean => !skipped.has(offset)
  const left = gaps.filter(isLeft)
  checkLength(left[0] ?? end, highest + 1)
  return { end: highest + 1, gaps: concat(left, range(end, highest + 1).filter(isLeft)) }
}

/**
 * As if the group stood at the offset. What is settled above it is forgotten, so that all of it runs again; with
 * `keepGaps` what the gap map says is kept: only the offsets between the new and the old one, and its gaps, run again.
 */
export function seek(before: Settled | undefined, to: number, keepGaps: boolean): Settled {
  const from = before === undefined ? to : committable(before)
  if (!keepGaps || before === undefined || before.end <= Math.max(from, to)) return settledBelow(to)
  const gaps = before.gaps.filter((gap) => gap >= to)
  if (to < from) checkLength(to, before.end)
  return { end: before.end, gaps: to < from ? concat(range(to, from), gaps) : gaps }
}

/** The part that a gap map covers which was cut from the top to fit. */
export function cut({ end, gaps }: Settled, highest: number): Settled {
  return highest + 1 === end ? { end, gaps } : { end: highest + 1, gaps: gaps.filter((gap) => gap <= highest) }
}

/** The runs of settled offsets that a log has, ascending: [from, to). */
function* settledRuns({ end, gaps }: Settled, log: LogBounds): Generator<readonly [from: number, to: number]> {
  const last = Math.min(end, log.end)
  let from = log.start
  for (const gap of gaps) {
    if (gap >= last) break
    if (gap > from) yield [from, gap]
    from = Math.max(from, gap + 1)
  }
  if (last > from) yield [from, last]
}

/** How many offsets of the log both have settled. */
function countBoth(a: Settled, b: Settled, log: LogBounds): number {
  const theirs = settledRuns(b, log)
  let their = theirs.next()
  let count = 0
  for (const [from, to] of settledRuns(a, log)) {
    while (!their.done && their.value[1] <= from) their = theirs.next()
    while (!their.done && their.value[0] < to) {
      count += Math.min(to, their.value[1]) - Math.max(from, their.value[0])
      if (their.value[1] > to) break
      their = theirs.next()
    }
  }
  return count
}

export interface Difference {
  /** Offsets that had not run and now never will. */
  readonly skipped: number
  /** Offsets that had run and now run again. */
  readonly runAgain: number
}

/** What a change means for the messages of the log; where it has holes, less. */
export function difference(before: Settled, after: Settled, log: LogBounds): Difference {
  const both = countBoth(before, after, log)
  return { skipped: countBoth(after, after, log) - both, runAgain: countBoth(before, before, log) - both }
}
