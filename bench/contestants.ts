/** Who takes part in the exactly-once benchmark, and how each is started. */
import { fileURLToPath } from 'node:url'
import type { Task } from './contestants/earlier-task.js'
import { type Role, TUNED_PROPERTIES } from './contestants/registry.js'
import type { Command } from './harness/live-process.js'

export const CONTESTANT_IDS = {
  /** The same output for each message, with and without transactions. */
  'exactly-once': ['laneway-produce', 'laneway-produce-lingering', 'laneway-exactly-once'],
} as const
export type Benchmark = keyof typeof CONTESTANT_IDS
export type ContestantId = (typeof CONTESTANT_IDS)[Benchmark][number]

export interface Contestant {
  readonly id: ContestantId
  readonly label: string
  readonly role: Role
  readonly properties: Readonly<Record<string, string>>
  command(task: Task): Command
}

/** One that cannot take part here, and why: it stays visible in the results. */
export interface Absent {
  readonly id: ContestantId
  readonly label: string
  readonly reason: string
}

const script = (name: string): string => fileURLToPath(new URL(`./contestants/${name}.js`, import.meta.url))

const OUTPUT_LABELS = {
  produce: 'laneway, produce without transactions',
  'produce-lingering': 'laneway, the same with linger.ms 100',
  'exactly-once': 'laneway, exactly once',
} as const

function lanewayOutputs(how: keyof typeof OUTPUT_LABELS): Contestant {
  return {
    id: `laneway-${how}`,
    label: OUTPUT_LABELS[how],
    role: how === 'exactly-once' ? 'laneway' : 'peer',
    properties: TUNED_PROPERTIES,
    command: (task) => ({ program: process.execPath, args: [script('laneway-outputs'), JSON.stringify(task), how] }),
  }
}

export interface Entrants {
  readonly contestants: readonly Contestant[]
  readonly absent: readonly Absent[]
}

/**
 * Everyone wanted, in the order of the table.
 *
 * @throws Error for an id that is none
 */
export function gatherContestants(benchmark: Benchmark, only: readonly string[] = CONTESTANT_IDS[benchmark]): Entrants {
  const ids: readonly string[] = CONTESTANT_IDS[benchmark]
  const unknown = only.find((id) => !ids.includes(id))
  if (unknown !== undefined) throw new Error(`no contestant "${unknown}"; there are: ${ids.join(', ')}`)
  const producing = [lanewayOutputs('produce'), lanewayOutputs('produce-lingering'), lanewayOutputs('exactly-once')]
  return { contestants: producing.filter(({ id }) => only.includes(id)), absent: [] }
}
