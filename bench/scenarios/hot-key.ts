/**
 * A few celebrity keys with half of the traffic, and handlers that wait: what is left of the other keys? First a backlog is
 * drained: the others have their own lanes and should be done as if the celebrities were not there, while a celebrity's
 * chain bounds its own. Then, in an open loop at a rate that the celebrities can just take, the latency of both groups.
 *
 * laneway has no pool of its own for hot keys: a run of a lane is bounded (maxRunLength), and what waits in hot lanes counts
 * against the partition's share of maxBufferedMessages. A backlog of celebrities beyond that holds up its partition.
 */
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import type { Work } from '../contestants/task.js'
import { Attempts } from '../harness/attempts.js'
import { type Assignment, watchContestant } from '../harness/contestant-process.js'
import { forEachDelay } from '../harness/delays.js'
import { type Ledger, messageNumber, readLedger } from '../harness/ledger.js'
import { runOpenLoop } from '../harness/open-loop.js'
import type { BarChart, Cell, Findings, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import { balancedOrder, median, type Percentiles, percentiles, spread } from '../harness/statistics.js'
import type { TopicShape } from '../harness/topic.js'
import { Versions } from '../harness/versions.js'
import { CONCURRENT_WAYS } from './peer-ways.js'
import { type Setting, scenario } from './scenario.js'

const options = z.object({
  messages: z.number(),
  wait: z.number(),
  celebrities: z.number(),
  seconds: z.number(),
  size: z.number(),
  keys: z.number(),
  partitions: z.number(),
  concurrency: z.number(),
})
type HotKeyOptions = z.output<typeof options>

const CELEBRITY_PERCENT = 50
/** Of what the celebrities can take one after the other: their handlers' waits leave no more. */
const LOAD_SHARE = 0.8
/** Few: those of a celebrity wait for each other. */
const WARM_UP_MESSAGES = 200

/** Messages of one of the groups of a drained backlog. */
export interface Drained {
  readonly messagesPerSecond: number
  /** What the waits, as they were, leave: the longest chain of one key, or all of them at the concurrency. */
  readonly ideal: number
}

interface Group {
  messages: number
  waitMicros: number
  lastEnd: number
  readonly chains: Map<number, number>
}

const newGroup = (): Group => ({ messages: 0, waitMicros: 0, lastEnd: 0, chains: new Map() })

/** [the celebrities, the others]; `concurrency` is what the handlers of all have together. */
export function drained(handled: Ledger, celebrities: number, concurrency: number): readonly [Drained, Drained] {
  const groups = [newGroup(), newGroup()] as const
  const starts = new Map<number, number>()
  for (let i = 0; i < handled.length; i += 1) {
    const key = handled.key(i)
    const at = handled.micros(i)
    const message = messageNumber(handled, i)
    if (!handled.isEnd(i)) {
      starts.set(message, at)
      continue
    }
    const group = groups[key < celebrities ? 0 : 1]
    const wait = at - (starts.get(message) ?? at)
    group.messages += 1
    group.waitMicros += wait
    group.lastEnd = Math.max(group.lastEnd, at)
    group.chains.set(key, (group.chains.get(key) ?? 0) + wait)
  }
  const startedAt = handled.micros(0)
  const [hot, others] = groups
  return [
    drainedGroup(hot, startedAt, Math.min(celebrities, concurrency)),
    drainedGroup(others, startedAt, Math.max(concurrency - celebrities, 1)),
  ]
}

function drainedGroup({ messages, waitMicros, lastEnd, chains }: Group, startedAt: number, lanes: number): Drained {
  const shortest = Math.max(waitMicros / lanes, ...chains.values())
  return { messagesPerSecond: (messages / (lastEnd - startedAt)) * 1e6, ideal: (messages / shortest) * 1e6 }
}

/** One round of one contestant. */
interface Round {
  readonly round: number
  readonly hot: Drained
  readonly others: Drained
  readonly hotDelays: Percentiles
  readonly othersDelays: Percentiles
}

interface Tally {
  readonly contestant: Contestant
  readonly rounds: Round[]
}

class Experiment {
  readonly #setting: Setting<HotKeyOptions>
  readonly #work: Extract<Work, { kind: 'wait' }>
  readonly #attempts: Attempts
  readonly #versions = new Versions()

  constructor(setting: Setting<HotKeyOptions>) {
    this.#setting = setting
    this.#work = { kind: 'wait', micros: setting.options.wait * 1000 }
    this.#attempts = new Attempts(setting.say)
  }

  async findings(): Promise<Findings> {
    const { contestants, absent, options, runs, say } = this.#setting
    const tallies: Tally[] = contestants.map((contestant) => ({ contestant, rounds: [] }))
    for (let round = 1; round <= runs; round += 1) {
      for (const { contestant, rounds } of balancedOrder(tallies, round - 1)) {
        const title = `round ${round} of ${runs}  ${contestant.label}`
        const measured = await this.#attempts.make(title, () => this.#measure(contestant, round))
        if (measured === undefined) continue
        rounds.push(measured)
        say(`${title}: the others ${figure(measured.others.messagesPerSecond)} messages/s`)
      }
    }
    return {
      keyFigure: keyFigureOf(tallies, options),
      versions: this.#versions.all(),
      sections: [drainSection(tallies, runs), followSection(tallies, runs, this.#perSecond)],
      method: [
        `${options.celebrities} of ${figure(options.keys)} keys have ${CELEBRITY_PERCENT} % of the messages, and each handler ` +
          `waits ${options.wait} ms; ${options.concurrency} handlers at once, where a contestant has such a setting. ` +
          'Ideals are computed from the waits as they were measured. Every run was checked for losses, duplicates and the ' +
          'order of keys.',
      ],
      absent,
      faults: this.#attempts.faults,
      raw: tallies.map(({ contestant, rounds }) => ({ contestant: contestant.id, rounds })),
    }
  }

  /** Messages/s of all keys at which the celebrities are as busy as they are to be. */
  get #perSecond(): number {
    const perCelebrity = (LOAD_SHARE * 1e6) / this.#work.micros
    return Math.round((perCelebrity * this.#setting.options.celebrities * 100) / CELEBRITY_PERCENT)
  }

  async #measure(contestant: Contestant, round: number): Promise<Round> {
    const [hot, others] = await this.#drain(contestant)
    const [hotDelays, othersDelays] = await this.#follow(contestant)
    return { round, hot, others, hotDelays, othersDelays }
  }

  async #drain(contestant: Contestant): Promise<readonly [Drained, Drained]> {
    const { cluster, topics, options } = this.#setting
    const { messages, concurrency, celebrities } = options
    const topic = await topics.get({ ...this.#shape(contestant), messages })
    const task = { ...this.#task(), brokers: cluster.brokers, topic: topic.name, messages }
    const { result, handled } = await watchContestant(contestant, task)
    this.#versions.add(result)
    this.#attempts.check('backlog', contestant, { produced: await readLedger(topic.ledger), handled })
    return drained(handled, celebrities, concurrency)
  }

  /** [the celebrities', the others']. */
  async #follow(contestant: Contestant): Promise<readonly [Percentiles, Percentiles]> {
    const { cluster, options } = this.#setting
    const { seconds, celebrities } = options
    const messages = this.#perSecond * seconds
    const load = { messages, perSecond: this.#perSecond, warmUp: WARM_UP_MESSAGES }
    const run = await runOpenLoop(cluster, contestant, { ...this.#shape(contestant), ...this.#task(), ...load })
    this.#attempts.check('open loop', contestant, run)
    const hot: number[] = []
    const others: number[] = []
    forEachDelay(run.produced, run.handled, WARM_UP_MESSAGES, (delayMs, key) => {
      const group = key < celebrities ? hot : others
      group.push(delayMs)
    })
    return [percentiles(hot), percentiles(others)]
  }

  #shape({ lz4 }: Contestant): Omit<TopicShape, 'messages'> {
    const { size, keys, partitions, celebrities } = this.#setting.options
    const choice = { kind: 'celebrities', keys: celebrities, percent: CELEBRITY_PERCENT } as const
    return { valueBytes: size, keys, partitions, choice, compression: lz4 ? 'lz4' : 'none' }
  }

  #task(): Pick<Assignment, 'work' | 'concurrency' | 'deadlineMs' | 'folder'> {
    const { options, deadlineMs, folder } = this.#setting
    return { work: this.#work, concurrency: options.concurrency, deadlineMs, folder }
  }
}

const ofIdeal = ({ messagesPerSecond, ideal }: Drained): number => messagesPerSecond / ideal

function keyFigureOf(tallies: readonly Tally[], { celebrities }: HotKeyOptions): string {
  const own = tallies.find(({ contestant, rounds }) => contestant.role === 'laneway' && rounds.length > 0)
  if (own === undefined) return 'laneway was not measured.'
  const share = figure(median(own.rounds.map(({ others }) => ofIdeal(others))))
  const late = figure(median(own.rounds.map(({ othersDelays }) => othersDelays.p99)))
  return (
    `Beside ${celebrities} keys with half of the traffic, the other keys have ${share} of their ideal throughput in ` +
    `laneway, and a p99 of ${late} ms where these keys are as busy as they can be.`
  )
}

function spreadOf(rounds: readonly Round[], of: (round: Round) => number): Cell {
  return spread(rounds.map(of)) ?? null
}

function drainSection(tallies: readonly Tally[], rounds: number): Section {
  return {
    title: 'A backlog is drained',
    prose: [
      'Messages/s of each group until its last one, and the share of the ideal: the celebrities run one chain each, the ' +
        'others have all handlers that these leave.',
    ],
    columns: [
      { title: 'contestant' },
      { title: 'the others', unit: 'messages/s' },
      { title: 'to their ideal', unit: 'x' },
      { title: 'the celebrities', unit: 'messages/s' },
      { title: 'to their ideal', unit: 'x' },
      { title: 'runs' },
    ],
    rows: tallies.map(({ contestant, rounds: done }) => [
      contestant.label,
      spreadOf(done, ({ others }) => others.messagesPerSecond),
      spreadOf(done, ({ others }) => ofIdeal(others)),
      spreadOf(done, ({ hot }) => hot.messagesPerSecond),
      spreadOf(done, ({ hot }) => ofIdeal(hot)),
      `${done.length} of ${rounds}`,
    ]),
    charts: [othersChart(tallies)],
  }
}

function followSection(tallies: readonly Tally[], rounds: number, perSecond: number): Section {
  return {
    title: `In an open loop at ${figure(perSecond)} messages/s`,
    prose: [
      `At this rate the celebrities' handlers are busy ${LOAD_SHARE * 100} % of the time. Latency is from the time at which ` +
        "a message was due to the end of its handler, the handler's wait included.",
    ],
    columns: [
      { title: 'contestant' },
      { title: 'the others p50', unit: 'ms' },
      { title: 'p99', unit: 'ms' },
      { title: 'the celebrities p50', unit: 'ms' },
      { title: 'p99', unit: 'ms' },
      { title: 'runs' },
    ],
    rows: tallies.map(({ contestant, rounds: done }) => [
      contestant.label,
      spreadOf(done, ({ othersDelays }) => othersDelays.p50),
      spreadOf(done, ({ othersDelays }) => othersDelays.p99),
      spreadOf(done, ({ hotDelays }) => hotDelays.p50),
      spreadOf(done, ({ hotDelays }) => hotDelays.p99),
      `${done.length} of ${rounds}`,
    ]),
    charts: [],
  }
}

function othersChart(tallies: readonly Tally[]): BarChart {
  return {
    kind: 'bars',
    name: '',
    title: 'Messages per second of the keys beside the celebrities, as a share of the ideal',
    unit: 'x',
    scale: 'linear',
    groups: [
      {
        label: '',
        bars: tallies.map(({ contestant, rounds }) => ({
          label: contestant.label,
          role: contestant.role,
          value: spread(rounds.map(({ others }) => ofIdeal(others))) ?? 'did not finish',
        })),
      },
    ],
  }
}

export const hotKey = scenario({
  id: 'hot-key',
  title: 'Celebrity keys',
  question: 'What is left of the other keys where a few have half of the traffic, and handlers wait?',
  lineUp: { work: 'wait', own: ['laneway-key'], ways: CONCURRENT_WAYS },
  runs: 3,
  brief: { options: ['--messages', '6000', '--seconds', '5', '--runs', '2'], minutes: 4 },
  options,
  configure: (command) =>
    command
      .option('--messages <n>', 'messages of the backlog', wholeNumber, 10_000)
      .option('--wait <ms>', 'of each handler', wholeNumber, 10)
      .option('--celebrities <n>', 'keys that have half of the messages', wholeNumber, 4)
      .option('--seconds <n>', 'of the open loop', wholeNumber, 10)
      .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
      .option('--keys <n>', 'keys in all', wholeNumber, 1_000)
      .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
      .option('--concurrency <n>', 'handlers at once, where a contestant has such a setting', wholeNumber, 100),
  measure: (setting) => new Experiment(setting).findings(),
})
