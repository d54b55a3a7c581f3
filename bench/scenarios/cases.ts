/** What the scenarios that measure messages/s have in common: one case after another, and findings of all of them. */
import { caseSection, faultsOfCase, type Rate, rawCase, versionsOf, type Yardstick } from '../harness/case-section.js'
import type { Findings } from '../harness/report.js'
import { type Case, entriesOf, PATIENCE_SECONDS, runRounds, type Tally } from '../harness/rounds.js'
import type { Setting } from './scenario.js'

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

export async function measureCases(setting: Setting, cases: readonly Case[]): Promise<MeasuredCase[]> {
  const { cluster, topics, folder, runs, deadlineMs, contestants, say } = setting
  const plan = { brokers: cluster.brokers, topics, folder, runs, deadlineMs, say }
  const measured: MeasuredCase[] = []
  for (const [index, one] of cases.entries()) {
    const tallies = await runRounds(entriesOf(contestants, one, BESIDE_UNCOMPRESSED), one, plan)
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

const COMMON_METHOD = [
  'CPU is of the whole process, all threads, per message; memory is its peak. Every contestant runs in a process of its ' +
    'own, in rounds whose order is balanced; ratios are medians of the ratios within a round. Contestants on librdkafka ' +
    'run at the settings of the C loop, unless the row says that it is at its defaults. Losses, repetitions and the order ' +
    'of keys are checked from a ledger of every start and end of every handler: in the round before those that count, and ' +
    `in these too where handlers wait or use the CPU. Who would take longer than ${PATIENCE_SECONDS} s gets a tenth or a hundredth ` +
    'of the messages.',
]

export function findingsOf(setting: Setting, measured: readonly MeasuredCase[], how: Presentation): Findings {
  const { keyFigure, method, rate, yardstick } = how
  return {
    keyFigure,
    versions: versionsOf(measured.flatMap(({ tallies }) => tallies)),
    sections: measured.map(({ one, tallies }) => caseSection(one, tallies, rate, yardstick(one))),
    method: [...method, ...COMMON_METHOD],
    absent: setting.absent,
    faults: measured.flatMap(({ one, tallies }) => faultsOfCase(one, tallies)),
    raw: measured.map(({ one, tallies }) => rawCase(one, tallies)),
  }
}

/** The tally of a contestant; the compressed one where there are two. */
export function tallyOf({ tallies }: MeasuredCase, id: string): Tally | undefined {
  return tallies.find(({ entry }) => entry.contestant.id === id)
}
