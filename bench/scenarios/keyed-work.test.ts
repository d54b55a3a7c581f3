/** The ideal is one that no client can beat, and a client can reach. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LedgerFindings } from '../harness/ledger.js'
import { idealSeconds, largestShare } from './keyed-work.js'

const FINDINGS: LedgerFindings = {
  messages: 100,
  losses: 0,
  duplicates: 0,
  disorders: 0,
  strays: 0,
  seconds: 5,
  workSeconds: 12,
  longestChainSeconds: 4,
}

test('the ideal is the work over the places, or the longest chain where that is longer', () => {
  assert.is(idealSeconds(FINDINGS, 2, true), 6)
  assert.is(idealSeconds(FINDINGS, 4, true), 4)
})

test('without order, chains do not count', () => {
  assert.is(idealSeconds(FINDINGS, 4, false), 3)
})

test('the most frequent key has its share', () => {
  assert.is(largestShare('uniform', 4), 1 / 4)
  assert.is(largestShare('zipf', 4), 1 / (1 + 1 / 2 + 1 / 3 + 1 / 4))
})

test.run()
