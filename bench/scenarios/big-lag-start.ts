/**
 * Starting on a large backlog: how long until the first message, how long until full speed, and how much memory both take.
 * A client that fetches far ahead of its handlers shows it here. Memory is sampled from outside, every 20 ms.
 */
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import { Attempts } from '../harness/attempts.js'
import { type ContestantRun, watchContestant } from '../harness/contestant-process.js'
import { type Ledger, readLedger } from '../harness/ledger.js'
import type { Sample } from '../harness/process-samples.js'
import type { BarChart, BarGroup, Findings, LineChart, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import { balancedOrder, median, spread } from '../harness/statistics.js'
import { Versions } from '../harness/versions.js'
import { addLoadOptions, loadOptions } from './load-options.js'
import { FAST_WAYS } from './peer-ways.js'
import { type Setting, scenario } from './scenario.js'

const options = z.object({
  messages: z.number(),
  ...loadOptions,
})
type BigLagOptions = z.output<typeof options>

/** Pyrallel Consumer needs minutes for a large backlog. */
const WAYS = FAST_WAYS.filter((id) => id !== 'pyrallel-key')
const SAMPLE_MS = 20
/** Speed is looked at in windows of this length. */
const WINDOW_MICROS = 100_000
/** Steady: a window has this share of the median window's messages. */
const STEADY_SHARE = 0.9

/** Times from the start of the process, so that loading a runtime counts. */
export interface Start {
  readonly firstMessageSeconds: number
  readonly steadySeconds: number
  readonly firstMessageMiB: number
  readonly steadyMiB: number
  readonly peakMiB: number
}

interface Tally {
  readonly contestant: Contestant
  readonly starts: Start[]
  /** Of the last round; their time is from the start of the process. */
  samples: readonly Sample[]
}

export function startOf({ startedAt, handled, samples }: Omit<ContestantRun, 'result'>): Start {
  const first = handled.micros(0)
  const steady = steadyAt(handled)
  return {
    firstMessageSeconds: (first - startedAt) / 1e6,
    steadySeconds: (steady - startedAt) / 1e6,
    firstMessageMiB: memoryAt(samples, first),
    steadyMiB: memoryAt(samples, steady),
    peakMiB: Math.max(...samples.map(({ rssKib }) => rssKib)) / 1024,
  }
}

/** The end of the first window that is as fast as most. */
function steadyAt(handled: Ledger): number {
  const first = handled.micros(0)
  const counts: number[] = []
  for (let i = 0; i < handled.length; i += 1) {
    if (!handled.isEnd(i)) continue
    const window = Math.floor((handled.micros(i) - first) / WINDOW_MICROS)
    counts[window] = (counts[window] ?? 0) + 1
  }
  const windows = Array.from(counts, (count) => count ?? 0)
  const usual = median(windows)
  return first + (windows.findIndex((count) => count >= usual * STEADY_SHARE) + 1) * WINDOW_MICROS
}

/** MiB, of the sample that comes next. */
function memoryAt(samples: readonly Sample[], at: number): number {
  const sample = samples.find(({ micros }) => micros >= at) ?? samples.at(-1)
  return sample === undefined ? Number.NaN : sample.rssKib / 1024
}

async function measure(setting: Setting<BigLagOptions>): Promise<Findings> {
  const { cluster, topics, folder, contestants, absent, options, runs, deadlineMs, say } = setting
  const { messages, size, keys, partitions, concurrency } = options
  const attempts = new Attempts(say)
  const versions = new Versions()
  const tallies: Tally[] = contestants.map((contestant) => ({ contestant, starts: [], samples: [] }))
  for (let round = 1; round <= runs; round += 1) {
    for (const tally of balancedOrder(tallies, round - 1)) {
      const { contestant, starts } = tally
      const title = `round ${round} of ${runs}  ${contestant.label}`
      const compression = contestant.lz4 ? 'lz4' : 'none'
      const topic = await topics.get({ messages, valueBytes: size, keys, partitions, compression })
      const assignment = {
        brokers: cluster.brokers,
        topic: topic.name,
        messages,
        work: { kind: 'none' },
        concurrency,
        deadlineMs,
        folder,
        sampleMs: SAMPLE_MS,
      } as const
      const run = await attempts.make(title, () => watchContestant(contestant, assignment))
      if (run === undefined) continue
      attempts.check(title, contestant, { produced: await readLedger(topic.ledger), handled: run.handled })
      versions.add(run.result)
      const start = startOf(run)
      starts.push(start)
      tally.samples = run.samples.map((sample) => ({ ...sample, micros: sample.micros - run.startedAt }))
      say(`${title}: first message after ${figure(start.firstMessageSeconds)} s, at most ${figure(start.peakMiB)} MiB`)
    }
  }
  return {
    keyFigure: keyFigureOf(tallies),
    versions: versions.all(),
    sections: [startSection(tallies, runs)],
    method: [
      `${figure(messages)} messages of ${size} B are there before a contestant starts. Times are from the start of its ` +
        'process, its runtime included. Full speed is the end of the first 100 ms with nine tenths of the messages that ' +
        `the median 100 ms have. Memory is what Linux has resident for the process, every ${SAMPLE_MS} ms. Handlers are ` +
        'empty but for noting their message; every run was checked for losses, duplicates and the order of keys. Pyrallel ' +
        'Consumer, at a few thousand messages/s, takes part only where --only names it.',
    ],
    absent,
    faults: attempts.faults,
    raw: tallies.map(({ contestant, ...one }) => ({ contestant: contestant.id, ...one })),
  }
}

const COLUMNS = [
  { title: 'first message', unit: 's', of: ({ firstMessageSeconds }: Start) => firstMessageSeconds },
  { title: 'full speed', unit: 's', of: ({ steadySeconds }: Start) => steadySeconds },
  { title: 'memory at the first message', unit: 'MiB', of: ({ firstMessageMiB }: Start) => firstMessageMiB },
  { title: 'at full speed', unit: 'MiB', of: ({ steadyMiB }: Start) => steadyMiB },
  { title: 'at most', unit: 'MiB', of: ({ peakMiB }: Start) => peakMiB },
] as const

function keyFigureOf(tallies: readonly Tally[]): string {
  const own = tallies.find(({ contestant, starts }) => contestant.role === 'laneway' && starts.length > 0)
  if (own === undefined) return 'laneway was not measured.'
  const [first, full, , , most] = COLUMNS.map(({ of }) => figure(median(own.starts.map(of))))
  return `laneway handles its first message ${first} s after its process starts and is at full speed after ${full} s, in ${most} MiB.`
}

function startSection(tallies: readonly Tally[], rounds: number): Section {
  return {
    title: 'Start',
    prose: [],
    columns: [{ title: 'contestant' }, ...COLUMNS.map(({ title, unit }) => ({ title, unit })), { title: 'runs' }],
    rows: tallies.map(({ contestant, starts }) => [
      contestant.label,
      ...COLUMNS.map(({ of }) => spread(starts.map(of)) ?? null),
      `${starts.length} of ${rounds}`,
    ]),
    charts: [timeChart(tallies), memoryChart(tallies)],
  }
}

function timeChart(tallies: readonly Tally[]): BarChart {
  const group = ({ title, of }: (typeof COLUMNS)[0] | (typeof COLUMNS)[1]): BarGroup => ({
    label: title,
    bars: tallies.map(({ contestant, starts }) => ({
      label: contestant.label,
      role: contestant.role,
      value: spread(starts.map(of)) ?? 'did not finish',
    })),
  })
  return {
    kind: 'bars',
    name: 'time',
    title: 'Seconds from the start of the process, with a large backlog: median, lowest to highest run',
    unit: 's',
    scale: 'linear',
    groups: [group(COLUMNS[0]), group(COLUMNS[1])],
  }
}

function memoryChart(tallies: readonly Tally[]): LineChart {
  return {
    kind: 'lines',
    name: 'memory',
    title: 'Resident memory while a large backlog is drained',
    unit: 'MiB',
    scale: 'log',
    x: { title: 'seconds from the start of the process, in the last round' },
    lines: tallies.map(({ contestant, samples }) => ({
      label: contestant.label,
      points: samples.map(({ micros, rssKib }) => [micros / 1e6, rssKib / 1024] as const),
    })),
  }
}

export const bigLagStart = scenario({
  id: 'big-lag-start',
  title: 'Starting on a large backlog',
  question: 'How long until the first message and until full speed, and in how much memory?',
  lineUp: { work: 'none', own: ['c-loop-batch', 'laneway-key'], ways: WAYS },
  runs: 3,
  brief: { options: ['--messages', '500000', '--runs', '2'], minutes: 2 },
  options,
  configure: (command) => {
    command.option('--messages <n>', 'messages of the backlog', wholeNumber, 2_000_000)
    addLoadOptions(command)
  },
  measure,
})
