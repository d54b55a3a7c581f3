/** What the gate has found, as a table with a line below it that says how it ended. */
import { alignedTable } from '../harness/report-table.js'
import { CASES } from './cases.js'
import type { GateOutcome } from './gate.js'
import { TOLERANCE, type Verdict } from './judge.js'

const HEAD = ['case', 'ratio to the limit', 'baseline', 'measured (lowest - highest)', 'change', 'rounds', 'verdict']
const KINDS = { speed: 'messages/s', cpu: 'CPU per message' } as const
const DIGITS = 3
const LIMIT = `more than ${TOLERANCE * 100} % below`

export function isGood({ verdicts, faults }: GateOutcome): boolean {
  return faults.length === 0 && verdicts.length > 0 && verdicts.every(({ verdict }) => verdict === 'held')
}

export function formatOutcome(outcome: GateOutcome, seconds: number): string {
  const lines = alignedTable(HEAD, outcome.verdicts.map(cells))
  const faults = outcome.faults.map((fault) => `FAULT: ${fault}`)
  return `${[...lines, '', ...faults, `${ending(outcome)} (${seconds} s)`].join('\n')}\n`
}

function cells({ case: id, kind, baseline, ratios, measured, verdict }: Verdict): (string | number)[] {
  const title = CASES.find((each) => each.id === id)?.title ?? id
  const change = baseline === undefined ? '' : percent(measured / baseline - 1)
  const [lowest, median, highest] = [Math.min(...ratios), measured, Math.max(...ratios)].map((value) =>
    value.toFixed(DIGITS),
  )
  const range = `${median} (${lowest} - ${highest})`
  return [title, KINDS[kind], baseline?.toFixed(DIGITS) ?? '', range, change, ratios.length, verdict]
}

function percent(share: number): string {
  const text = (share * 100).toFixed(1)
  return share > 0 ? `+${text} %` : `${text} %`
}

function ending(outcome: GateOutcome): string {
  const { verdicts, faults } = outcome
  if (isGood(outcome)) return `passed: no ratio is ${LIMIT} its baseline`
  if (faults.length > 0) return 'FAILED: laneway does not keep its promises, or did not end'
  const fallen = verdicts.filter(({ verdict }) => verdict === 'fallen')
  if (fallen.length === 1) return `FAILED: 1 ratio is ${LIMIT} its baseline`
  if (fallen.length > 1) return `FAILED: ${fallen.length} ratios are ${LIMIT} their baselines`
  return 'FAILED: there are no baselines for some; --update-baseline --reason TEXT writes them'
}
