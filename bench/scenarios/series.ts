/** Throughput over a series of topics that differ in one number: whether it falls as that number grows. */
import { z } from 'zod'
import { listOption, wholeNumber, wholeNumbers } from '../command-options.js'
import { toLimit, wholeRate } from '../harness/case-section.js'
import { figure } from '../harness/report-text.js'
import type { Case } from '../harness/rounds.js'
import { addCaseOptions, caseOptions, findingsOf, type MeasuredCase, measureCases, tallyOf } from './cases.js'
import { FAST_WAYS } from './peer-ways.js'
import { type Brief, type Scenario, scenario } from './scenario.js'

const VALUE_BYTES = 100
const CONCURRENCY = 256

export interface Series extends Pick<Scenario, 'id' | 'title' | 'question'> {
  /** What grows: the word for it, and its steps from small to large. */
  readonly what: 'keys' | 'partitions'
  readonly steps: readonly number[]
  /** Of all else. */
  readonly shape: { readonly keys: number; readonly partitions: number }
  /** The step that the last one is compared with. */
  readonly from: number
  readonly brief: Brief
}

const options = z.object({ messages: z.number(), steps: z.array(z.number()), ...caseOptions })

function ratioAt(one: MeasuredCase | undefined): number | undefined {
  const tally = one && tallyOf(one, 'laneway-key')
  return tally && toLimit.ratio(tally, one.tallies)
}

function keyFigure({ what, from }: Series, measured: readonly MeasuredCase[]): string {
  const first = measured.find(({ one }) => one.shape[what] === from) ?? measured[0]
  const last = measured.at(-1)
  const [before, after] = [ratioAt(first), ratioAt(last)]
  if (before === undefined || after === undefined) return 'laneway was not measured'
  return (
    `laneway in key order, x the C loop: ${figure(before)} at ${first?.one.title}, ${figure(after)} at ${last?.one.title}: ` +
    `${figure(after / before)} x`
  )
}

export function seriesScenario(series: Series): Scenario {
  const { id, title, question, brief, what, steps, shape } = series
  return scenario({
    id,
    title,
    question,
    lineUp: {
      work: 'none',
      own: ['c-loop-batch', 'c-loop-callback', 'laneway-key', 'laneway-unordered'],
      ways: FAST_WAYS,
    },
    runs: 3,
    brief,
    options,
    configure: (command) => {
      command
        .option('--messages <n>', 'messages in each topic', wholeNumber, 1_000_000)
        .addOption(listOption('--steps <n>', `numbers of ${what}`, wholeNumbers, steps))
      addCaseOptions(command)
    },
    measure: async (setting) => {
      const { messages } = setting.options
      const cases = setting.options.steps.map((step): Case => {
        const full = { messages, valueBytes: VALUE_BYTES, ...shape, [what]: step }
        const title = `${figure(step)} ${step === 1 ? what.slice(0, -1) : what}`
        return { title, shape: full, work: { kind: 'none' }, concurrency: CONCURRENCY }
      })
      const measured = await measureCases(setting, cases)
      return findingsOf(setting, measured, {
        keyFigure: keyFigure(series, measured),
        rate: wholeRate,
        yardstick: () => toLimit,
        method: [
          'Time and CPU run from subscribe to the end of the last handler, joining the group included; the handlers are ' +
            `empty. All topics have the same number of messages of ${VALUE_BYTES} B, lz4.`,
        ],
      })
    },
  })
}
