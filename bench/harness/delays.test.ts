/** Delays run from when a message was due, and warm-up messages have none. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { forEachDelay } from './delays.js'
import type { Ledger } from './ledger.js'
import { ledgerOf } from './ledger-of.js'

const produced = ledgerOf([
  ['start', 7, 0, 1_000],
  ['start', 3, 0, 2_000],
  ['start', 7, 1, 3_000],
])

const handled = ledgerOf([
  ['start', 3, 0, 5_000],
  ['start', 7, 0, 5_100],
  ['end', 7, 0, 5_500],
  ['start', 7, 1, 5_600],
  ['end', 7, 1, 9_000],
  ['end', 3, 0, 12_000],
])

function all(ledger: Ledger, warmUp: number): number[][] {
  const visited: number[][] = []
  forEachDelay(produced, ledger, warmUp, (...visit) => visited.push(visit))
  return visited
}

test('each message has its delay, in the order in which handlers ended', () => {
  assert.equal(all(handled, 0), [
    [4.5, 7, 1_000],
    [6, 7, 3_000],
    [10, 3, 2_000],
  ])
})

test('the first messages are left out, and so is what was not produced', () => {
  assert.equal(all(handled, 2), [[6, 7, 3_000]])
  assert.equal(all(ledgerOf([['end', 9, 0, 5_000]]), 0), [])
})

test.run()
