/** What the scenarios that measure messages/s have in common: one case after another, and findings of all of them. */
import type { Command } from 'commander'
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import { caseSection, faultsOfCase, type Rate, rawCase, versionsOf, type Yardstick } from '../harness/case-section.js'
import type { Findings } from '../harness/report.js'
import { type Case, entriesOf, runRounds, type Tally } from '../harness/rounds.js'
import type { Setting } from './scenario.js'

/** As {@link addCaseOptions} has the command line read them. */
export const caseOptions = { patience: z.number() }
type CaseOptions = z.output<z.ZodObject<typeof caseOptions>>

export function addCaseOptions(command: Command): void {
  command.option('--patience <seconds>', 'who would take longer for a run gets fewer messages', wholeNumber, 20)
}

export interface MeasuredCase {
  readonly one: Case
  readonly tallies: readonly Tally[]
}

/** Measured on the uncompressed copy as well, where a contestant needs one. */
const BESIDE_UNCOMPRESSED = ['c-loop-batch', 'laneway-key']

/** A topic that is measured may take so much of the disk; larger messages are fewer. */
const TOPIC_BYTES = 1e9

export const mostMessages = (messages: number, valueBytes: number): number =>
  Math.min(messages, Math.floor(TOPIC_BYTES / valueBytes))

/** `takesPart`: whether a case says anything new about a contestant. */
export async function measureCases(
  setting: Setting<CaseOptions>,
  cases: readonly Case[],
  takesPart: (contestant: Contestant, one: Case) => boolean = () => true,
): Promise<MeasuredCase[]> {
  const { cluster, topics, folder, runs, deadlineMs, contestants, options, say } = setting
  const patienceSeconds = options.patience
  const plan = { brokers: cluster.brokers, topics, folder, runs, deadlineMs, patienceSeconds, say }
  const measured: MeasuredCase[] = []
  for (const [index, one] of cases.entries()) {
    const entrants = contestants.filter((contestant) => takesPart(contestant, one))
    const tallies = await runRounds(entriesOf(entrants, one, BESIDE_UNCOMPRESSED), one, plan)
    measured.push({ one, tallies })
    const isOtherTopicNext = JSON.stringify(cases[index + 1]?.shape) !== JSON.stringify(one.shape)
    if (isOtherTopicNext) await topics.clear()
  }
  return measured
}

export interface Presentation {
  readonly keyFigure: string
  readonly method: readonly string[]
  readonly rate: Rate
  yardstick(one: Case): Yardstick
}

const commonMethod = ({ patience }: CaseOptions): string[] => [
  'CPU is of the whole process, all threads, per message; memory is its peak. Every contestant runs in a process of its ' +
    'own, in rounds whose order is balanced; ratios are medians of the ratios within a round. Contestants on librdkafka ' +
    'run at the settings of the C loop, unless the row says that it is at its defaults. Losses, repetitions and the order ' +
    'of keys are checked from a ledger of every start and end of every handler: in the round before those that count, and ' +
    `in these too where handlers wait or use the CPU. Who would take longer than ${patience} s gets a tenth of the ` +
    'messages, or less.',
]

export function findingsOf(
  setting: Setting<CaseOptions>,
  measured: readonly MeasuredCase[],
  how: Presentation,
): Findings {
  const { keyFigure, method, rate, yardstick } = how
  return {
    keyFigure,
    versions: versionsOf(measured.flatMap(({ tallies }) => tallies)),
    sections: measured.map(({ one, tallies }) => caseSection(one, tallies, rate, yardstick(one))),
    method: [...method, ...commonMethod(setting.options)],
    absent: setting.absent,
    faults: measured.flatMap(({ one, tallies }) => faultsOfCase(one, tallies)),
    raw: measured.map(({ one, tallies }) => rawCase(one, tallies)),
  }
}

/** The tally of a contestant; the compressed one where there are two. */
export function tallyOf({ tallies }: MeasuredCase, id: string): Tally | undefined {
  return tallies.find(({ entry }) => entry.contestant.id === id)
}
