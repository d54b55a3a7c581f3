/**
 * Measures one scenario after the other, whatever becomes of those before: who starts it may go away and read the reports.
 * It says how far it is and how long the rest may take: the expected minutes of what is left, as much longer or shorter as
 * what is done has been.
 */
import { alignedTable } from '../harness/report-table.js'
import type { Scenario } from '../scenarios/scenario.js'

/** How a scenario ended, in words for the summary. */
export interface Outcome {
  readonly isGood: boolean
  readonly text: string
}

export type BriefScenario = Pick<Scenario, 'id'> & Required<Pick<Scenario, 'brief'>>

export interface Means {
  measure(scenario: BriefScenario): Promise<Outcome>
  /** Milliseconds from any moment. */
  now(): number
  say(line: string): void
}

export interface Summary {
  readonly isGood: boolean
  readonly lines: readonly string[]
}

const MINUTE_MS = 60_000

const sumOf = (scenarios: readonly BriefScenario[]): number =>
  scenarios.reduce((sum, { brief }) => sum + brief.minutes, 0)

const minutes = (value: number): string => `${value.toFixed(1)} min`

export async function runAll(scenarios: readonly BriefScenario[], { measure, now, say }: Means): Promise<Summary> {
  const startedAt = now()
  const elapsed = (): number => (now() - startedAt) / MINUTE_MS
  const rows: string[][] = []
  let isGood = true
  for (const [index, scenario] of scenarios.entries()) {
    const pace = index === 0 ? 1 : elapsed() / sumOf(scenarios.slice(0, index))
    const left = pace * sumOf(scenarios.slice(index))
    const before = elapsed()
    say(
      `== ${scenario.id}, ${index + 1} of ${scenarios.length}; ${minutes(before)} so far, about ${minutes(left)} to go`,
    )
    const outcome = await measure(scenario)
    isGood &&= outcome.isGood
    rows.push([scenario.id, minutes(elapsed() - before), minutes(scenario.brief.minutes), outcome.text])
  }
  rows.push(['all', minutes(elapsed()), minutes(sumOf(scenarios)), ''])
  return { isGood, lines: alignedTable(['scenario', 'took', 'expected', 'result'], rows) }
}
