/** How near a client keeps waiting handlers to the ideal, with keys used alike and by Zipf's law. */
import { z } from 'zod'
import { choicesOf, listOption, wholeNumber, wholeNumbers } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import { figure } from '../harness/report-text.js'
import type { Case } from '../harness/rounds.js'
import { addCaseOptions, caseOptions, findingsOf, type MeasuredCase, measureCases, tallyOf } from './cases.js'
import { choiceOf, DISTRIBUTIONS, type Distribution, handlingRate, largestShare, toIdeal } from './keyed-work.js'
import { scenario } from './scenario.js'

const VALUE_BYTES = 100

const options = z.object({
  messages: z.number(),
  seconds: z.number(),
  waits: z.array(z.number()),
  distributions: z.array(z.enum(DISTRIBUTIONS)),
  concurrency: z.array(z.number()),
  keys: z.number(),
  partitions: z.number(),
  ...caseOptions,
})
type Options = z.output<typeof options>

function caseOf(
  { messages, seconds, keys, partitions }: Options,
  distribution: Distribution,
  waitMs: number,
  concurrency: number,
): Case {
  const perMessage = (waitMs / 1000) * Math.max(1 / concurrency, largestShare(distribution, keys))
  const count = Math.min(messages, Math.floor(seconds / perMessage))
  return {
    title: `${distribution} keys, ${waitMs} ms, concurrency ${figure(concurrency)}`,
    shape: { messages: count, valueBytes: VALUE_BYTES, keys, partitions, choice: choiceOf(distribution) },
    work: { kind: 'wait', micros: waitMs * 1000 },
    concurrency,
  }
}

function casesOf(given: Options): Case[] {
  return given.distributions.flatMap((distribution) =>
    given.waits.flatMap((waitMs) => given.concurrency.map((places) => caseOf(given, distribution, waitMs, places))),
  )
}

/** Who handles one message of a partition at a time is as fast with other keys and more places. */
function saysMore({ concurrent }: Contestant, { shape, concurrency }: Case, given: Options): boolean {
  return concurrent || (shape.choice?.kind === given.distributions[0] && concurrency === given.concurrency[0])
}

function keyFigure(measured: readonly MeasuredCase[]): string {
  const ratios = measured.flatMap((one) => {
    const tally = tallyOf(one, 'laneway-key')
    const ratio = tally && toIdeal(one.one.concurrency).ratio(tally, one.tallies)
    return ratio === undefined ? [] : [{ ratio, title: one.one.title }]
  })
  const worst = ratios.toSorted((a, b) => a.ratio - b.ratio)[0]
  if (worst === undefined) return 'laneway was not measured'
  return `laneway in key order is at ${figure(worst.ratio)} x the ideal or above, in each of ${ratios.length} cases (least: ${worst.title})`
}

export const keyedIo = scenario({
  id: 'keyed-io',
  title: 'Waiting handlers',
  question: 'How near to the ideal are handlers kept that wait, with the order of every key kept?',
  lineUp: { work: 'wait', own: ['laneway-key', 'laneway-unordered', 'laneway-threads', 'laneway-processes'] },
  runs: 3,
  brief: { options: ['--seconds', '2', '--runs', '1', '--patience', '15'], minutes: 16 },
  options,
  configure: (command) => {
    command
      .option('--messages <n>', 'messages in a topic, at most', wholeNumber, 200_000)
      .option('--seconds <n>', 'of the ideal; a case that would take longer has fewer messages', wholeNumber, 10)
      .addOption(listOption('--waits <ms>', 'of a handler', wholeNumbers, [1, 10, 100]))
      .addOption(listOption('--distributions <names>', 'of keys', choicesOf(DISTRIBUTIONS), DISTRIBUTIONS))
      .addOption(listOption('--concurrency <n>', 'handlers at once', wholeNumbers, [100, 1_000]))
      .option('--keys <n>', 'keys', wholeNumber, 1_000)
      .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
    addCaseOptions(command)
  },
  measure: async (setting) => {
    const measured = await measureCases(setting, casesOf(setting.options), (contestant, one) =>
      saysMore(contestant, one, setting.options),
    )
    return findingsOf(setting, measured, {
      keyFigure: keyFigure(measured),
      rate: handlingRate,
      yardstick: ({ concurrency }) => toIdeal(concurrency),
      method: [
        'Messages/s run from the start of the first handler to the end of the last one. The ideal is the longer of all waits ' +
          'over the concurrency and the waits of the key that has most of them (for contestants that keep the order of ' +
          'keys), from the waits as they were measured, because timers overshoot. Contestants that handle one message of a ' +
          'partition at a time take part once for each wait: neither keys nor concurrency change anything for them.',
      ],
    })
  },
})
