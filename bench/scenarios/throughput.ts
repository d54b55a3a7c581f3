/**
 * How fast a topic is drained with a handler that does nothing: what is left is what the client costs. The limit is the
 * C loop, which reads every byte; laneway also takes part with a handler that does.
 */
import { z } from 'zod'
import { choicesOf, listOption, wholeNumber, wholeNumbers } from '../command-options.js'
import { toLimit, wholeRate } from '../harness/case-section.js'
import { figure } from '../harness/report-text.js'
import type { Case } from '../harness/rounds.js'
import {
  addCaseOptions,
  caseOptions,
  findingsOf,
  type MeasuredCase,
  measureCases,
  mostMessages,
  tallyOf,
} from './cases.js'
import { scenario } from './scenario.js'

const COMPRESSIONS = ['lz4', 'none'] as const

const options = z.object({
  messages: z.number(),
  sizes: z.array(z.number()),
  compression: z.array(z.enum(COMPRESSIONS)),
  keys: z.number(),
  partitions: z.number(),
  concurrency: z.number(),
  ...caseOptions,
})

function casesOf({ messages, sizes, compression, keys, partitions, concurrency }: z.output<typeof options>): Case[] {
  return sizes.flatMap((valueBytes) =>
    compression.map((codec): Case => {
      const title = `${figure(valueBytes)} B, ${codec === 'none' ? 'uncompressed' : codec}`
      const count = mostMessages(messages, valueBytes)
      const shape = { messages: count, valueBytes, keys, partitions, compression: codec }
      return { title, shape, work: { kind: 'none' }, concurrency }
    }),
  )
}

function keyFigure(measured: readonly MeasuredCase[]): string {
  const ratios = measured.flatMap((one) => {
    const tally = tallyOf(one, 'laneway-key')
    const ratio = tally && toLimit.ratio(tally, one.tallies)
    return ratio === undefined ? [] : [`${figure(ratio)} at ${one.one.title}`]
  })
  return ratios.length === 0 ? 'laneway was not measured' : `laneway in key order, x the C loop: ${ratios.join('; ')}`
}

export const throughput = scenario({
  id: 'throughput',
  title: 'Throughput',
  question: 'How many messages per second pass through a handler that does nothing?',
  lineUp: {
    work: 'none',
    own: [
      'c-loop-batch',
      'c-loop-callback',
      'c-loop-batch-defaults',
      'laneway-key',
      'laneway-key-touch',
      'laneway-key-async',
      'laneway-key-heap',
      'laneway-partition',
      'laneway-unordered',
      'laneway-threads',
      'laneway-processes',
      'laneway-key-defaults',
    ],
    hasDefaults: true,
  },
  runs: 3,
  brief: { options: ['--messages', '1000000', '--compression', 'lz4', '--runs', '2', '--patience', '8'], minutes: 19 },
  options,
  configure: (command) => {
    command
      .option('--messages <n>', 'messages in the topic, but no more than 1 GB of them', wholeNumber, 2_000_000)
      .addOption(listOption('--sizes <bytes>', 'bytes of a value', wholeNumbers, [100, 1_000, 10_000]))
      .addOption(listOption('--compression <codecs>', 'of the topic', choicesOf(COMPRESSIONS), COMPRESSIONS))
      .option('--keys <n>', 'keys, uniformly used', wholeNumber, 10_000)
      .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
      .option('--concurrency <n>', 'handlers at once, where a contestant has such a setting', wholeNumber, 256)
    addCaseOptions(command)
  },
  measure: async (setting) => {
    const measured = await measureCases(setting, casesOf(setting.options))
    return findingsOf(setting, measured, {
      keyFigure: keyFigure(measured),
      rate: wholeRate,
      yardstick: () => toLimit,
      method: [
        'Time and CPU run from subscribe to the end of the last handler, joining the group included. The handlers are empty; ' +
          'the C loop reads every byte all the same, and so does laneway where the row says so. The limit is the faster of ' +
          'the C loop at its two ways of draining, at tuned settings and on the same copy of the topic: contestants without lz4 get an ' +
          'uncompressed one.',
      ],
    })
  },
})
