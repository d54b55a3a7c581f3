/** Celebrities and the other keys are told apart, each beside its own ideal. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ledgerOf, type Noted } from '../harness/ledger-of.js'
import { drained } from './hot-key.js'

const handler = (key: number, sequence: number, from: number, to: number): Noted[] => [
  ['start', key, sequence, from],
  ['end', key, sequence, to],
]

test('the others are measured until their last message, not until the last of the celebrities', () => {
  const handled = ledgerOf([
    // Key 0 is the celebrity: 100 ms of waits in a row.
    ...handler(0, 0, 0, 50_000),
    ...handler(0, 1, 50_000, 100_000),
    // Two others, each 10 ms, one after the other, though two handlers were left for them.
    ...handler(1, 0, 0, 10_000),
    ...handler(2, 0, 10_000, 20_000),
  ])
  const [hot, others] = drained(handled, 1, 3)
  assert.equal(hot, { messagesPerSecond: 20, ideal: 20 })
  assert.equal(others, { messagesPerSecond: 100, ideal: 200 })
})

test('no ideal is faster than the longest chain of a key', () => {
  const handled = ledgerOf([...handler(0, 0, 0, 10_000), ...handler(5, 0, 0, 30_000), ...handler(5, 1, 30_000, 60_000)])
  const [, others] = drained(handled, 1, 100)
  assert.is(others.ideal, 2 / 0.06)
})

test.run()
