/** What the gate has found: a table, what went wrong, and a line that says how it ended. */
import { alignedTable } from '../harness/report-table.js'
import { CASES } from './cases.js'
import type { GateOutcome } from './gate.js'
import { TOLERANCE, type Verdict } from './judge.js'

const HEAD = ['case', 'ratio to the limit', 'baseline', 'measured (lowest - highest)', 'change', 'rounds', 'verdict']
const KINDS = { speed: 'messages/s', cpu: 'CPU per message' } as const
const DIGITS = 3
const LIMIT = `more than ${TOLERANCE * 100} % below`

export type GateResult = 'passed' | 'failed' | 'undecided'

export function resultOf({ verdicts, faults, undecided }: GateOutcome): GateResult {
  if (faults.length > 0) return 'failed'
  if (undecided.length > 0) return 'undecided'
  return verdicts.length > 0 && verdicts.every(({ verdict }) => verdict === 'held') ? 'passed' : 'failed'
}

export function formatOutcome(outcome: GateOutcome): string {
  const lines = alignedTable(HEAD, outcome.verdicts.map(cells))
  const troubles = [
    ...outcome.faults.map((fault) => `FAULT: ${fault}`),
    ...outcome.undecided.map((reason) => `UNDECIDED: ${reason}`),
  ]
  return `${[...lines, '', ...troubles].join('\n')}\n`
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

/** In one sentence. */
export function conclusion(outcome: GateOutcome): string {
  const result = resultOf(outcome)
  return `${result}: ${reasonOf(outcome, result)}`
}

function reasonOf(outcome: GateOutcome, result: GateResult): string {
  if (result === 'passed') return `no ratio is ${LIMIT} its baseline`
  if (result === 'undecided') return 'measure again when the machine is quiet'
  if (outcome.faults.length > 0) return 'laneway does not keep its promises, or did not end'
  const fallen = outcome.verdicts.filter(({ verdict }) => verdict === 'fallen')
  if (fallen.length === 1) return `1 ratio is ${LIMIT} its baseline`
  if (fallen.length > 1) return `${fallen.length} ratios are ${LIMIT} their baselines`
  return 'there are no baselines for some; --update-baseline --reason TEXT writes them'
}
