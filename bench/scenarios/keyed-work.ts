/**
 * What scenarios with handlers that take their time have in common: an ideal, which no client can beat, from the work as
 * it was measured. It is the work of all messages over the places for it, or that of the key which has most of it, since
 * the messages of a key wait for each other.
 */

import type { Rate, Yardstick } from '../harness/case-section.js'
import type { Run } from '../harness/contestant-run.js'
import type { LedgerFindings } from '../harness/ledger.js'
import { median } from '../harness/statistics.js'
import type { KeyChoice } from '../harness/topic.js'

export const DISTRIBUTIONS = ['uniform', 'zipf'] as const
export type Distribution = (typeof DISTRIBUTIONS)[number]

const ZIPF_EXPONENT = 1

export function choiceOf(distribution: Distribution): KeyChoice {
  return distribution === 'uniform' ? { kind: 'uniform' } : { kind: 'zipf', exponent: ZIPF_EXPONENT }
}

/** Of all messages, those of the most frequent key. */
export function largestShare(distribution: Distribution, keys: number): number {
  if (distribution === 'uniform') return 1 / keys
  let total = 0
  for (let rank = 1; rank <= keys; rank += 1) total += rank ** -ZIPF_EXPONENT
  return 1 / total
}

/** From the first start to the last end: joining the group takes no part in how handlers are kept busy. */
export const handlingRate: Rate = ({ findings }) =>
  findings === undefined || findings.seconds === 0
    ? undefined
    : (findings.messages - findings.losses) / findings.seconds

/** `places`: how many handlers can work at once. */
export function idealSeconds(findings: LedgerFindings, places: number, keepsKeyOrder: boolean): number {
  const { workSeconds, longestChainSeconds } = findings
  return Math.max(workSeconds / places, keepsKeyOrder ? longestChainSeconds : 0)
}

function findingsOf(run: Run): LedgerFindings | undefined {
  return 'findings' in run ? run.findings : undefined
}

export function toIdeal(places: number): Yardstick {
  return {
    title: 'x ideal',
    ratio: ({ entry, rounds }) => {
      const { keepsKeyOrder } = entry.contestant
      const ratios = rounds.flatMap(({ run }) => {
        const findings = findingsOf(run)
        if (findings === undefined || findings.seconds === 0) return []
        return [idealSeconds(findings, places, keepsKeyOrder) / findings.seconds]
      })
      return ratios.length === 0 ? undefined : median(ratios)
    },
  }
}
