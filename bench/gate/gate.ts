/**
 * The regression gate: rounds of each group until its ratios have held, or until so many say otherwise. Losses, messages that
 * come twice, broken order and runs that fail end the group at once: no further round makes up for them. Rounds in which
 * others had the machine do not count; when there are too many of them in a row nothing is decided.
 */
import type { Baselines } from './baselines.js'
import { judge, type RoundRatios, type Verdict } from './judge.js'

/** What is measured together, and where one round of it comes from. */
export interface Group {
  readonly title: string
  /** @param round from 1, those that do not count included */
  measure(round: number): Promise<RoundOutcome>
}

export interface RoundOutcome {
  readonly ratios: RoundRatios
  /** What was wrong, in words. */
  readonly faults: readonly string[]
  /** Of the machine's CPU, from 0 to 1; undefined where nobody can tell. */
  readonly othersShare?: number | undefined
}

export interface GateOutcome {
  readonly verdicts: readonly Verdict[]
  readonly faults: readonly string[]
  /** Groups that could not be decided, and why. */
  readonly undecided: readonly string[]
}

export interface Effort {
  /** Before anything is judged; odd, so that the median is a round's own. */
  readonly least: number
  readonly most: number
}

/** Judged after every second further round: each look is a chance to hold that a slow-down must not get too often. */
const FURTHER = 2
const MOST_OTHERS_SHARE = 0.15
const MOST_DISTURBED_IN_A_ROW = 5

export async function runGate(
  groups: readonly Group[],
  baselines: Baselines['cases'],
  effort: Effort,
  say: (line: string) => void,
): Promise<GateOutcome> {
  const outcomes: GateOutcome[] = []
  for (const group of groups) {
    const outcome = await new GroupGate(group, baselines, effort, say).run()
    outcomes.push(outcome)
    if (outcome.undecided.length > 0) break
  }
  return {
    verdicts: outcomes.flatMap(({ verdicts }) => verdicts),
    faults: outcomes.flatMap(({ faults }) => faults),
    undecided: outcomes.flatMap(({ undecided }) => undecided),
  }
}

class GroupGate {
  readonly #group: Group
  readonly #baselines: Baselines['cases']
  readonly #most: number
  readonly #say: (line: string) => void
  readonly #rounds: RoundRatios[] = []
  #planned: number
  #measured = 0
  #disturbedInARow = 0

  constructor(group: Group, baselines: Baselines['cases'], { least, most }: Effort, say: (line: string) => void) {
    this.#group = group
    this.#baselines = baselines
    this.#planned = least
    this.#most = most
    this.#say = (line) => say(`${group.title}: ${line}`)
  }

  async run(): Promise<GateOutcome> {
    for (;;) {
      this.#say(`round ${this.#rounds.length + 1} of ${this.#planned}`)
      this.#measured += 1
      const { ratios, faults, othersShare = 0 } = await this.#group.measure(this.#measured)
      if (faults.length > 0) return this.#outcome({ faults })
      if (othersShare > MOST_OTHERS_SHARE) {
        if (this.#disturbed(othersShare)) return this.#outcome({ undecided: ['others have the machine'] })
        continue
      }
      this.#disturbedInARow = 0
      this.#rounds.push(ratios)
      if (this.#rounds.length === this.#planned && !this.#planFurther()) return this.#outcome({})
    }
  }

  /** True where it has been so too often. */
  #disturbed(othersShare: number): boolean {
    this.#disturbedInARow += 1
    this.#say(`others had ${Math.round(othersShare * 100)} % of the machine: this round does not count`)
    return this.#disturbedInARow === MOST_DISTURBED_IN_A_ROW
  }

  /** True where some seem to have fallen, and further rounds may say otherwise. */
  #planFurther(): boolean {
    const fallen = judge(this.#rounds, this.#baselines).filter(({ verdict }) => verdict === 'fallen')
    if (fallen.length === 0 || this.#planned >= this.#most) return false
    this.#say(`${fallen.map(describeFall).join(', ')} so far: more rounds`)
    this.#planned = Math.min(this.#planned + FURTHER, this.#most)
    return true
  }

  #outcome({ faults = [], undecided = [] }: Partial<Record<'faults' | 'undecided', readonly string[]>>): GateOutcome {
    const named = (texts: readonly string[]): string[] => texts.map((text) => `${this.#group.title}: ${text}`)
    const verdicts = judge(this.#rounds, this.#baselines)
    return { verdicts, faults: named(faults), undecided: named(undecided) }
  }
}

function describeFall({ case: id, kind, measured, baseline }: Verdict): string {
  return `${id} ${kind} ${measured.toFixed(3)} instead of ${baseline?.toFixed(3)}`
}
