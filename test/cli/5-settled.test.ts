/** What skip and seek make of what a group has settled, offset by offset, against sets that need no cleverness. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  committable,
  cut,
  difference,
  type LogBounds,
  MAX_MAP_LENGTH,
  type Settled,
  seek,
  settledBelow,
  skip,
} from '../../ts/cli/settled.js'
import { LanewayError } from '../../ts/errors.js'

const LENGTH = 40

/** A seeded generator (mulberry32), so that a failure comes back. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function settledOf(end: number, gaps: readonly number[]): Settled {
  return { end, gaps: Float64Array.from(gaps) }
}

/** As commits have them: the highest offset is settled. */
function someSettled(next: (below: number) => number): Settled {
  const from = next(LENGTH)
  if (next(4) === 0) return settledBelow(from)
  const end = from + 2 + next(LENGTH - from)
  const between = Array.from({ length: end - from - 2 }, (_, i) => from + 1 + i)
  return settledOf(end, [from, ...between.filter(() => next(2) === 0)])
}

function offsetsOf({ end, gaps }: Settled): Set<number> {
  const offsets = new Set(Array.from({ length: end }, (_, offset) => offset))
  for (const gap of gaps) offsets.delete(gap)
  return offsets
}

function countIn(log: LogBounds, isCounted: (offset: number) => boolean): number {
  let count = 0
  for (let offset = log.start; offset < log.end; offset += 1) if (isCounted(offset)) count += 1
  return count
}

function checkForm({ end, gaps }: Settled): void {
  gaps.forEach((gap, i) => {
    assert.ok(gap < end - 1, 'the highest offset is settled')
    assert.ok(i === 0 || gap > (gaps[i - 1] ?? gap), 'gaps ascend')
  })
}

/** The same check for many groups; a failure names the seed. */
function forEachSeed(check: (next: (below: number) => number, title: string) => void): void {
  for (let seed = 1; seed <= 1_000; seed += 1) check(random(seed), `seed ${seed}`)
}

function someLog(next: (below: number) => number): LogBounds {
  const start = next(5)
  return { start, end: start + LENGTH + next(LENGTH) }
}

test('a skip settles what was named and nothing else', () => {
  forEachSeed((next, title) => {
    const before = someSettled(next)
    const had = offsetsOf(before)
    const log = someLog(next)
    const named = Array.from({ length: 1 + next(5) }, () => next(2 * LENGTH))
    const after = skip(before, named)
    checkForm(after)
    const has = offsetsOf(after)
    assert.equal(has, new Set([...had, ...named]), title)
    const lowest = [...Array(3 * LENGTH).keys()].find((offset) => !has.has(offset))
    assert.is(committable(after), lowest, title)
    const skipped = countIn(log, (offset) => has.has(offset) && !had.has(offset))
    assert.equal(difference(before, after, log), { skipped, runAgain: 0 }, title)
  })
})

test('a seek forgets all above the position, unless the gaps are kept', () => {
  forEachSeed((next, title) => {
    const before = someSettled(next)
    const had = offsetsOf(before)
    const log = someLog(next)
    const to = next(2 * LENGTH)
    assert.equal(offsetsOf(seek(before, to, false)), offsetsOf(settledBelow(to)), title)
    const kept = seek(before, to, true)
    checkForm(kept)
    const has = offsetsOf(kept)
    const old = committable(before)
    for (let offset = 0; offset < 3 * LENGTH; offset += 1) {
      const isSettled = offset < to || (offset > old && had.has(offset))
      assert.is(has.has(offset), isSettled, `${title}: offset ${offset} after a seek from ${old} to ${to}`)
    }
    const skipped = countIn(log, (offset) => has.has(offset) && !had.has(offset))
    const runAgain = countIn(log, (offset) => had.has(offset) && !has.has(offset))
    assert.equal(difference(before, kept, log), { skipped, runAgain }, title)
  })
})

test('what is cut off a map is not settled any more', () => {
  forEachSeed((next, title) => {
    const before = someSettled(next)
    const had = [...offsetsOf(before)]
    const highest = had.reverse().find((offset) => offset < before.end - next(5)) ?? -1
    if (highest < committable(before) - 1) return
    assert.equal(offsetsOf(cut(before, highest)), new Set(had.filter((offset) => offset <= highest)), title)
  })
})

test('no offset is too large to be counted', () => {
  const most = Number.MAX_SAFE_INTEGER - 1
  const before = settledOf(most, [most - 3])
  assert.equal(difference(before, settledBelow(0), { start: 0, end: most }), { skipped: 0, runAgain: most - 1 })
  assert.equal(difference(before, skip(before, [most - 3]), { start: 0, end: most }), { skipped: 1, runAgain: 0 })
})

test('a gap map that would cover more than it can is refused before anything is built', () => {
  const before = settledOf(110, [100])
  const isRefused = (error: unknown): boolean => LanewayError.is(error) && error.code === 'OFFSET_INVALID'
  assert.throws(() => skip(before, [100 + MAX_MAP_LENGTH]), isRefused)
  assert.throws(() => seek(settledOf(2 * MAX_MAP_LENGTH, [2 * MAX_MAP_LENGTH - 2]), 0, true), isRefused)
  assert.is(committable(seek(settledBelow(2 * MAX_MAP_LENGTH), 0, true)), 0)
  assert.is(committable(seek(before, 10 ** 12, true)), 10 ** 12)
})

test.run()
