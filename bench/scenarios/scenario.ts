/**
 * A scenario: a question about laneway beside others, and the measurement that answers it. The command line gives it a
 * cluster, contestants and its options; it returns its findings, which are shown and written for all scenarios alike.
 */
import type { Command } from 'commander'
import type { z } from 'zod'
import type { Contestant } from '../contestants/registry.js'
import type { Work } from '../contestants/task.js'
import type { Cluster } from '../harness/cluster.js'
import type { Absent, Findings } from '../harness/report.js'
import type { Topics } from '../harness/topics.js'

export interface Setting<Options = unknown> {
  readonly cluster: Cluster
  readonly topics: Topics
  /** Who was wanted and is able to do its work, in the order of the tables. */
  readonly contestants: readonly Contestant[]
  /** Who was wanted and cannot take part here, and why. */
  readonly absent: readonly Absent[]
  /** Rounds that count. */
  readonly runs: number
  /** For one process. */
  readonly deadlineMs: number
  /** For files of this run; it goes at the end. */
  readonly folder: string
  /** Of the scenario. */
  readonly options: Options
  say(line: string): void
}

/** Who takes part, as far as they are made for the work. */
export interface LineUp {
  /** What handlers do. */
  readonly work: Work['kind']
  /** Ids of the limit's and of laneway's contestants, unless `--only` says otherwise. */
  readonly own: readonly string[]
  /** Ids of peers' contestants; absent: all of them. */
  readonly ways?: readonly string[]
  /** Where all take part: whether some do so at librdkafka's defaults, too. Default: false. */
  readonly hasDefaults?: boolean
}

/** How a scenario is measured where all of them are. */
export interface Brief {
  /** On the command line. */
  readonly options: readonly string[]
  /** What that takes on two cores: for who waits for it. */
  readonly minutes: number
}

export interface Scenario {
  /** Its name on the command line and of its files. */
  readonly id: string
  readonly title: string
  /** What it answers, in one sentence. */
  readonly question: string
  /** Absent where it has contestants of its own, among whom nobody chooses. */
  readonly lineUp?: LineUp
  /** Rounds that count, unless `--runs` says otherwise. */
  readonly runs: number
  /** Absent where it takes too long for that at any options. */
  readonly brief?: Brief
  /** Adds the options of the scenario. */
  configure(command: Command): void
  measure(setting: Setting): Promise<Findings>
}

/** `options` are what `configure` has the command line read. */
export function scenario<Options>(
  entry: Omit<Scenario, 'measure'> & {
    readonly options: z.ZodType<Options>
    measure(setting: Setting<Options>): Promise<Findings>
  },
): Scenario {
  const { options, measure, ...rest } = entry
  return { ...rest, measure: (setting) => measure({ ...setting, options: options.parse(setting.options) }) }
}
