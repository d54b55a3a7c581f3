/** How many cores a client keeps busy with handlers that use the CPU, with the order of every key kept. */
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'
import { figure } from '../harness/report-text.js'
import type { Case } from '../harness/rounds.js'
import { addCaseOptions, caseOptions, findingsOf, type MeasuredCase, measureCases, tallyOf } from './cases.js'
import { handlingRate, toIdeal } from './keyed-work.js'
import { scenario } from './scenario.js'

const VALUE_BYTES = 100
const OWN = ['laneway-key', 'laneway-threads', 'laneway-processes'] as const

const options = z.object({
  messages: z.number(),
  micros: z.number(),
  keys: z.number(),
  partitions: z.number(),
  concurrency: z.number(),
  ...caseOptions,
})

const cores = availableParallelism()

function keyFigure(one: MeasuredCase | undefined): string {
  const ratios = OWN.flatMap((id) => {
    const tally = one && tallyOf(one, id)
    const ratio = tally && one && toIdeal(cores).ratio(tally, one.tallies)
    return ratio === undefined ? [] : [`${tally?.entry.label} ${figure(ratio)}`]
  })
  return ratios.length === 0 ? 'laneway was not measured' : `x the ideal of ${cores} cores: ${ratios.join('; ')}`
}

export const keyedCpu = scenario({
  id: 'keyed-cpu',
  title: 'Computing handlers',
  question: 'How many cores do handlers get that use the CPU, with the order of every key kept?',
  lineUp: { work: 'spin', own: OWN },
  runs: 3,
  brief: { options: ['--messages', '10000', '--runs', '2'], minutes: 3 },
  options,
  configure: (command) => {
    command
      .option('--messages <n>', 'messages in the topic', wholeNumber, 50_000)
      .option('--micros <n>', 'µs of CPU for a message', wholeNumber, 200)
      .option('--keys <n>', 'keys, uniformly used', wholeNumber, 1_000)
      .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
      .option('--concurrency <n>', 'handlers at once, where a contestant has such a setting', wholeNumber, 100)
    addCaseOptions(command)
  },
  measure: async (setting) => {
    const { messages, micros, keys, partitions, concurrency } = setting.options
    const one: Case = {
      title: `${figure(micros)} µs of CPU`,
      shape: { messages, valueBytes: VALUE_BYTES, keys, partitions },
      work: { kind: 'spin', micros },
      concurrency,
    }
    const measured = await measureCases(setting, [one])
    return findingsOf(setting, measured, {
      keyFigure: keyFigure(measured[0]),
      rate: handlingRate,
      yardstick: () => toIdeal(cores),
      method: [
        'Messages/s run from the start of the first handler to the end of the last one. The ideal is all of the time in ' +
          'handlers, as it was measured, over the cores, or that of the key which has most of it. The broker and the clients ' +
          'need a part of the same cores; a handler that waits for one takes longer, and counts so.',
      ],
    })
  },
})
