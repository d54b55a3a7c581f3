/** The start of a contestant: its first message, its first fast window, and its memory then. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ledgerOf, type Noted } from '../harness/ledger-of.js'
import { startOf } from './big-lag-start.js'

const STARTED_AT = 1_000_000_000

/** So many messages in each 100 ms from 2 s after the start of the process. */
function handledIn(counts: readonly number[]): Noted[] {
  let sequence = 0
  return counts.flatMap((count, window) =>
    Array.from({ length: count }, (_, index): Noted[] => {
      const micros = STARTED_AT + 2_000_000 + window * 100_000 + Math.floor((index * 100_000) / count)
      sequence += 1
      return [
        ['start', 1, sequence - 1, micros],
        ['end', 1, sequence - 1, micros],
      ]
    }).flat(),
  )
}

const sample = (seconds: number, mib: number) => ({
  micros: STARTED_AT + seconds * 1e6,
  rssKib: mib * 1024,
  handles: 1,
  threads: 1,
  cpuSeconds: 0,
})

test('full speed begins with the first window that has most of the usual messages', () => {
  const start = startOf({
    startedAt: STARTED_AT,
    handled: ledgerOf(handledIn([1, 20, 100, 95, 105, 110, 40])),
    samples: [sample(0, 5), sample(2.01, 30), sample(2.305, 80), sample(2.6, 90)],
  })
  assert.equal(start, {
    firstMessageSeconds: 2,
    steadySeconds: 2.3,
    firstMessageMiB: 30,
    steadyMiB: 80,
    peakMiB: 90,
  })
})

test.run()
