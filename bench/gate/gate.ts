/**
 * The regression gate: rounds of each group until its ratios have held, or until so many say otherwise. Losses, messages that
 * come twice, broken order and runs that fail end the group at once: no further round makes up for them.
 */
import type { Baselines } from './baselines.js'
import { judge, type RoundRatios, type Verdict } from './judge.js'

/** What is measured together, and where one round of it comes from. */
export interface Group {
  readonly title: string
  /** @param round from 1 */
  measure(round: number): Promise<RoundOutcome>
}

export interface RoundOutcome {
  readonly ratios: RoundRatios
  /** What was wrong, in words. */
  readonly faults: readonly string[]
}

export interface GateOutcome {
  readonly verdicts: readonly Verdict[]
  readonly faults: readonly string[]
}

export interface Effort {
  /** Before anything is judged; odd, so that the median is a round's own. */
  readonly least: number
  readonly most: number
}

/** Judged after every second further round: each look is a chance to hold that a slow-down must not get too often. */
const FURTHER = 2

export async function runGate(
  groups: readonly Group[],
  baselines: Baselines['cases'],
  effort: Effort,
  say: (line: string) => void,
): Promise<GateOutcome> {
  const outcomes: GateOutcome[] = []
  for (const group of groups) outcomes.push(await runGroup(group, baselines, effort, say))
  return {
    verdicts: outcomes.flatMap(({ verdicts }) => verdicts),
    faults: outcomes.flatMap(({ faults }) => faults),
  }
}

async function runGroup(
  { title, measure }: Group,
  baselines: Baselines['cases'],
  { least, most }: Effort,
  say: (line: string) => void,
): Promise<GateOutcome> {
  const rounds: RoundRatios[] = []
  let planned = least
  for (;;) {
    say(`${title}: round ${rounds.length + 1} of ${planned}`)
    const { ratios, faults } = await measure(rounds.length + 1)
    rounds.push(ratios)
    const verdicts = judge(rounds, baselines)
    if (faults.length > 0) return { verdicts, faults: faults.map((fault) => `${title}: ${fault}`) }
    if (rounds.length < planned) continue
    const fallen = verdicts.filter(({ verdict }) => verdict === 'fallen')
    if (fallen.length === 0 || planned >= most) return { verdicts, faults: [] }
    say(`${title}: ${fallen.map(describeFall).join(', ')} so far: more rounds`)
    planned = Math.min(planned + FURTHER, most)
  }
}

function describeFall({ case: id, kind, measured, baseline }: Verdict): string {
  return `${id} ${kind} ${measured.toFixed(3)} instead of ${baseline?.toFixed(3)}`
}
