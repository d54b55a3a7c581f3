/** A run is cut into intervals, and a drift is the end beside the beginning. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ledgerOf, type Noted } from '../harness/ledger-of.js'
import { drift, type Interval, intervalsOf } from './soak.js'

const SECOND = 1_000_000

test('an interval has its own messages, delays, memory and CPU', () => {
  // One warm-up message, then ten a second for two seconds, 1 ms late in the first second and 3 ms in the second.
  const due = Array.from({ length: 21 }, (_, index) => index * (SECOND / 10))
  const produced = ledgerOf([['start', 1, 0, 0], ...due.map((micros, index): Noted => ['start', 1, index + 1, micros])])
  const handled = ledgerOf([
    ['end', 1, 0, 5],
    ...due.map((micros, index): Noted => ['end', 1, index + 1, micros + (micros < SECOND ? 1_000 : 3_000)]),
  ])
  const samples = [0, 0.5, 0.9, 1.1, 1.5, 1.9].map((seconds) => ({
    micros: seconds * SECOND,
    rssKib: (seconds < 1 ? 100 : 200) * 1024,
    handles: 10,
    threads: 3,
    cpuSeconds: seconds < 1 ? seconds * 0.1 : seconds * 0.2,
  }))
  const [first, second] = intervalsOf({ produced, handled, samples }, 1, 2)
  assert.is(first?.messagesPerSecond, 10)
  assert.is(first?.p99Ms, 1)
  assert.is(first?.rssMiB, 100)
  assert.is(Math.round(first?.cpuMicrosPerMessage ?? 0), 10_000)
  assert.is(second?.messagesPerSecond, 11)
  assert.is(second?.p50Ms, 3)
  assert.is(second?.rssMiB, 200)
  assert.is(second?.handles, 10)
})

test('the first quarter is not what the end is compared with', () => {
  const memory = [900, 900, 900, 100, 100, 100, 100, 100, 100, 150, 150, 150]
  const intervals = memory.map((rssMiB) => ({ rssMiB }) as Interval)
  assert.is(
    drift(intervals, ({ rssMiB }) => rssMiB),
    1.5,
  )
})

test.run()
