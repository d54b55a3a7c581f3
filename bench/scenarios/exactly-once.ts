/**
 * What transactions cost where each message becomes one output: the same topic is handled with `transactional`, and with
 * the same native producer and no transactions, which is the fastest way and may lose outputs or repeat them.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'
import { lanewayOutputs, WAYS } from '../contestants/laneway-outputs-contestants.js'
import { medianRatio, wholeRate, type Yardstick } from '../harness/case-section.js'
import { figure } from '../harness/report-text.js'
import type { Case, Tally } from '../harness/rounds.js'
import { addCaseOptions, caseOptions, findingsOf, type MeasuredCase, measureCases, tallyOf } from './cases.js'
import { scenario } from './scenario.js'

const options = z.object({
  messages: z.number(),
  size: z.number(),
  keys: z.number(),
  partitions: z.number(),
  concurrency: z.number(),
  ...caseOptions,
})

const byId = (tallies: readonly Tally[], id: string): Tally | undefined =>
  tallies.find(({ entry }) => entry.contestant.id === id)

const toProduce: Yardstick = {
  title: 'x without transactions',
  ratio: (tally, tallies) => medianRatio(tally, byId(tallies, 'laneway-produce'), wholeRate),
}

function keyFigureOf(one: MeasuredCase): string {
  const own = tallyOf(one, 'laneway-exactly-once')
  const toSoonest = own && medianRatio(own, tallyOf(one, 'laneway-produce'), wholeRate)
  const toBatches = own && medianRatio(own, tallyOf(one, 'laneway-produce-lingering'), wholeRate)
  if (toSoonest === undefined || toBatches === undefined) return 'exactly once was not measured'
  return (
    `exactly once has ${figure(toSoonest)} of the throughput of producing as soon as possible without transactions, and ` +
    `${figure(toBatches)} of that of producing in large batches`
  )
}

export const exactlyOnce = scenario({
  id: 'exactly-once',
  title: 'The price of exactly once',
  question: 'What do transactions cost where each message becomes one output?',
  runs: 3,
  brief: { options: [], minutes: 1 },
  options,
  configure: (command) => {
    command
      .option('--messages <n>', 'messages in the topic', wholeNumber, 500_000)
      .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
      .option('--keys <n>', 'keys, uniformly used', wholeNumber, 10_000)
      .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
      .option('--concurrency <n>', 'handlers at once', wholeNumber, 256)
    addCaseOptions(command)
  },
  measure: async (setting) => {
    const { messages, size: valueBytes, keys, partitions, concurrency } = setting.options
    const shape = { messages, valueBytes, keys, partitions, compression: 'lz4' } as const
    const one: Case = { title: 'One output for each message', shape, work: { kind: 'none' }, concurrency }
    const outputTopic = `laneway-bench-outputs-${randomBytes(4).toString('hex')}`
    await setting.cluster.createTopic(outputTopic, partitions)
    const contestants = WAYS.map((way) => lanewayOutputs(way, outputTopic))
    const measured = await measureCases({ ...setting, contestants }, [one])
    await setting.cluster.deleteTopic(outputTopic)
    return findingsOf(setting, measured, {
      keyFigure: measured.map(keyFigureOf).join('; '),
      rate: wholeRate,
      yardstick: () => toProduce,
      method: [
        'The handler sends the key and the value of its message on, to another topic. Time and CPU run from subscribe to the ' +
          'end of close(), when every output and every offset is committed. Without transactions the handler hands its ' +
          'output to the same native producer, idempotent, and does not wait for it: the fastest way, which may lose outputs ' +
          'where the process ends, and repeats them after a restart. Transactions produce once in a commitInterval (1 s), in ' +
          'large batches; linger.ms 100 gives the other way batches like these.',
      ],
    })
  },
})
