/**
 * Latency under an open load: how long after a message was due its handler has ended, at shares of what the contestant can
 * take. Its capacity is measured first, in the same way: producer, broker and contestant at once on this machine, the
 * producer as fast as it can. The C loop then runs at every rate that another contestant runs at, right before or after
 * it: what is added over it is the contestant's own.
 */
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import { Attempts } from '../harness/attempts.js'
import { forEachDelay } from '../harness/delays.js'
import { type OpenLoad, type OpenLoopRun, runOpenLoop } from '../harness/open-loop.js'
import type { Cell, Findings, LineChart, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import {
  balancedOrder,
  median,
  PERCENTILE_NAMES,
  type PercentileName,
  type Percentiles,
  percentiles,
  spread,
} from '../harness/statistics.js'
import { Versions } from '../harness/versions.js'
import { addLoadOptions, loadOptions } from './load-options.js'
import { FAST_WAYS } from './peer-ways.js'
import { type Setting, scenario } from './scenario.js'

const options = z.object({
  messages: z.number(),
  seconds: z.number(),
  ...loadOptions,
})
type LatencyOptions = z.output<typeof options>

const SHARES = [0.1, 0.5, 0.8]
/** A single largest value says nothing about what is added. */
const COMPARED = ['p50', 'p99', 'p99.9'] as const
/** There before a contestant starts: it joins, connects and compiles on them. */
const WARM_UP_MESSAGES = 10_000

const METHOD = [
  'Latency is from the time at which a message was due (an open loop: the producer never waits for what became of those ' +
    'before) to the end of its handler, through a broker on the same machine. A capacity is the messages/s that producer, ' +
    'broker and contestant manage together where the producer goes as fast as it can.',
  'Figures are medians of the rounds, with the lowest and the highest. What is added is the median of the differences to ' +
    'the C loop at the same rate in the same round. Handlers are empty but for noting their message, and every run was ' +
    'checked for losses, duplicates and the order of keys.',
]

interface Measured {
  readonly round: number
  readonly own: Percentiles
  /** Of the C loop at the same rate, in the same round. */
  readonly limit: Percentiles | undefined
}

interface Case {
  readonly contestant: Contestant
  readonly share: number
  readonly perSecond: number
  readonly runs: Measured[]
}

class Experiment {
  readonly #setting: Setting<LatencyOptions>
  readonly #limit: Contestant | undefined
  readonly #attempts: Attempts
  readonly #versions = new Versions()

  constructor(setting: Setting<LatencyOptions>) {
    this.#setting = setting
    this.#limit = setting.contestants.find(({ role }) => role === 'limit')
    this.#attempts = new Attempts(setting.say)
  }

  async findings(): Promise<Findings> {
    const cases = await this.#findCases()
    await this.#measure(cases)
    const { runs, absent } = this.#setting
    return {
      keyFigure: keyFigureOf(cases),
      versions: this.#versions.all(),
      sections: SHARES.map((share) => sectionOf(share, cases, runs)),
      method: METHOD,
      absent,
      faults: this.#attempts.faults,
      raw: cases.map(({ contestant, ...one }) => ({ contestant: contestant.id, ...one })),
    }
  }

  /** The rates of every contestant, from its capacity; who fails here is not measured any further. */
  async #findCases(): Promise<Case[]> {
    const cases: Case[] = []
    for (const contestant of this.#setting.contestants) {
      const title = `capacity  ${contestant.label}`
      const capacity = await this.#attempts.make(title, () => this.#capacity(contestant))
      if (capacity === undefined) continue
      this.#setting.say(`${title}: ${figure(Math.round(capacity))} messages/s`)
      for (const share of SHARES) cases.push({ contestant, share, perSecond: Math.round(capacity * share), runs: [] })
    }
    return cases
  }

  async #measure(cases: readonly Case[]): Promise<void> {
    const { runs, say } = this.#setting
    for (let round = 1; round <= runs; round += 1) {
      for (const one of balancedOrder(cases, round - 1)) {
        const title = `round ${round} of ${runs}, ${percent(one.share)}  ${one.contestant.label}`
        const measured = await this.#attempts.make(title, () => this.#besideLimit(one, round))
        if (measured === undefined) continue
        one.runs.push(measured)
        say(`${title}: p50 ${figure(measured.own.p50)} ms, p99 ${figure(measured.own.p99)} ms`)
      }
    }
  }

  async #besideLimit({ contestant, perSecond }: Case, round: number): Promise<Measured> {
    const limit = contestant.role === 'limit' ? undefined : this.#limit
    if (limit === undefined) return { round, own: await this.#percentiles(contestant, perSecond), limit: undefined }
    if (round % 2 === 1) {
      const own = await this.#percentiles(contestant, perSecond)
      return { round, own, limit: await this.#percentiles(limit, perSecond) }
    }
    const before = await this.#percentiles(limit, perSecond)
    return { round, own: await this.#percentiles(contestant, perSecond), limit: before }
  }

  /** Messages/s, from the time when the first message was produced to the end of the last handler. */
  async #capacity(contestant: Contestant): Promise<number> {
    const { messages } = this.#setting.options
    const { produced, handled } = await this.#run(contestant, { messages })
    return messages / ((handled.micros(handled.length - 1) - produced.micros(WARM_UP_MESSAGES)) / 1e6)
  }

  async #percentiles(contestant: Contestant, perSecond: number): Promise<Percentiles> {
    const messages = Math.ceil(perSecond * this.#setting.options.seconds)
    const { produced, handled } = await this.#run(contestant, { messages, perSecond })
    const delays: number[] = []
    forEachDelay(produced, handled, WARM_UP_MESSAGES, (delayMs) => delays.push(delayMs))
    return percentiles(delays)
  }

  async #run(contestant: Contestant, load: Pick<OpenLoad, 'messages' | 'perSecond'>): Promise<OpenLoopRun> {
    const { cluster, folder, options, deadlineMs } = this.#setting
    const { size, keys, partitions, concurrency } = options
    const run = await runOpenLoop(cluster, contestant, {
      ...load,
      folder,
      warmUp: WARM_UP_MESSAGES,
      keys,
      valueBytes: size,
      compression: contestant.lz4 ? 'lz4' : 'none',
      partitions,
      work: { kind: 'none' },
      concurrency,
      deadlineMs,
    })
    this.#versions.add(run.result)
    this.#attempts.check('latency', contestant, run)
    return run
  }
}

const percent = (share: number): string => `${share * 100} %`

function spreadOf(runs: readonly Measured[], of: (run: Measured) => number): Cell {
  return spread(runs.map(of)) ?? null
}

/** Medians of the differences to the C loop within a round. */
function added(runs: readonly Measured[], name: PercentileName): number | undefined {
  const differences = runs.flatMap(({ own, limit }) => (limit === undefined ? [] : [own[name] - limit[name]]))
  return differences.length === 0 ? undefined : median(differences)
}

function sectionOf(share: number, cases: readonly Case[], rounds: number): Section {
  const measured = cases.filter((one) => one.share === share)
  return {
    title: `At ${percent(share)} of what each can take`,
    prose: [],
    columns: [
      { title: 'contestant' },
      { title: 'rate', unit: 'messages/s' },
      ...PERCENTILE_NAMES.map((title) => ({ title, unit: 'ms' as const })),
      ...COMPARED.map((name) => ({ title: `${name} added over the C loop`, unit: 'ms' as const })),
      { title: 'runs' },
    ],
    rows: measured.map(({ contestant, perSecond, runs }) => [
      contestant.label,
      perSecond,
      ...PERCENTILE_NAMES.map((name) => spreadOf(runs, ({ own }) => own[name])),
      ...COMPARED.map((name) => added(runs, name) ?? null),
      `${runs.length} of ${rounds}`,
    ]),
    charts: [chartOf(share, measured)],
  }
}

function chartOf(share: number, cases: readonly Case[]): LineChart {
  return {
    kind: 'lines',
    name: `${share * 100}`,
    title: `Latency at ${percent(share)} of what each can take: medians of the rounds`,
    unit: 'ms',
    scale: 'log',
    x: { title: 'percentile', names: PERCENTILE_NAMES },
    lines: cases
      .filter(({ runs }) => runs.length > 0)
      .map(({ contestant, perSecond, runs }) => ({
        label: `${contestant.label}, ${figure(perSecond)}/s`,
        points: PERCENTILE_NAMES.map((name, at) => [at, median(runs.map(({ own }) => own[name]))] as const),
      })),
  }
}

/** Of the laneway row that adds least at half of its capacity. */
function keyFigureOf(cases: readonly Case[]): string {
  const [best] = cases
    .filter(({ contestant, share, runs }) => contestant.role === 'laneway' && share === 0.5 && runs.length > 0)
    .toSorted((a, b) => (added(a.runs, 'p50') ?? 0) - (added(b.runs, 'p50') ?? 0))
  if (best === undefined) return 'laneway was not measured.'
  const [p50, p99, p999] = COMPARED.map((name) => added(best.runs, name))
  if (p50 === undefined || p99 === undefined || p999 === undefined) return 'There was no C loop to compare with.'
  return (
    `At half of what it can take, laneway adds ${figure(p50)} ms to the C loop's p50, ${figure(p99)} ms to its p99 and ` +
    `${figure(p999)} ms to its p99.9.`
  )
}

export const latency = scenario({
  id: 'latency',
  title: 'Latency under an open load',
  question: 'How late is a message handled after it was due, at 10, 50 and 80 % of the capacity?',
  lineUp: { work: 'none', own: ['c-loop-batch', 'laneway-key', 'laneway-key-async'], ways: FAST_WAYS },
  runs: 3,
  brief: { options: ['--messages', '100000', '--seconds', '2', '--runs', '1'], minutes: 6 },
  options,
  configure: (command) => {
    command
      .option('--messages <n>', 'to measure a capacity with', wholeNumber, 200_000)
      .option('--seconds <n>', 'at each rate', wholeNumber, 5)
    addLoadOptions(command)
  },
  measure: (setting) => new Experiment(setting).findings(),
})
