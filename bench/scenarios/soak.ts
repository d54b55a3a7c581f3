/**
 * A long run under a steady load: does memory grow, do handles leak, does a message cost more CPU or come later after an
 * hour than after a minute? The load is open and below what the contestant can take, so that a drift of its speed shows as
 * CPU per message and as latency, long before it shows as lag.
 */
import { z } from 'zod'
import { positiveNumber, wholeNumber } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import { Attempts } from '../harness/attempts.js'
import { forEachDelay } from '../harness/delays.js'
import { type OpenLoopRun, runOpenLoop } from '../harness/open-loop.js'
import type { Sample } from '../harness/process-samples.js'
import type { Findings, LineChart, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import { median, percentiles } from '../harness/statistics.js'
import { Versions } from '../harness/versions.js'
import { addLoadOptions, loadOptions } from './load-options.js'
import { type Setting, scenario } from './scenario.js'

const options = z.object({
  minutes: z.number(),
  perSecond: z.number(),
  ...loadOptions,
})
type SoakOptions = z.output<typeof options>

const WARM_UP_MESSAGES = 10_000
/** The table has so many lines, whatever the time. */
const INTERVALS = 12
const SAMPLES_PER_INTERVAL = 20
/** The first intervals in which heap and caches still fill are not what later ones are compared with. */
const SETTLING_SHARE = 0.25

/** To join the group, to warm up and to close. */
const START_AND_END_MS = 120_000

/** What one part of the time looked like. */
export interface Interval {
  /** Of its end. */
  readonly minute: number
  readonly messagesPerSecond: number
  readonly cpuMicrosPerMessage: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly rssMiB: number
  readonly handles: number
  readonly threads: number
}

type Watched = Pick<OpenLoopRun, 'produced' | 'handled' | 'samples'>

/** Cuts a run into intervals of equal length, from the first message that was due to the last. */
export function intervalsOf({ produced, handled, samples }: Watched, warmUp: number, count: number): Interval[] {
  const start = produced.micros(warmUp)
  const length = (produced.micros(produced.length - 1) - start) / count
  const indexOf = (micros: number): number => Math.min(Math.max(Math.floor((micros - start) / length), 0), count - 1)
  const delays = Array.from({ length: count }, (): number[] => [])
  forEachDelay(produced, handled, warmUp, (delayMs, _, dueAt) => delays[indexOf(dueAt + delayMs * 1000)]?.push(delayMs))
  return delays.flatMap((delaysMs, index) => {
    const from = start + index * length
    const inside = samples.filter(({ micros }) => micros >= from && micros <= from + length)
    const [first, last] = [inside.at(0), inside.at(-1)]
    if (first === undefined || last === undefined || first === last) return []
    const perSecond = delaysMs.length / (length / 1e6)
    const { p50, p99 } = percentiles(delaysMs)
    const cpuPerSecond = (last.cpuSeconds - first.cpuSeconds) / ((last.micros - first.micros) / 1e6)
    return {
      minute: ((index + 1) * length) / 60e6,
      messagesPerSecond: perSecond,
      cpuMicrosPerMessage: (cpuPerSecond / perSecond) * 1e6,
      p50Ms: p50,
      p99Ms: p99,
      rssMiB: median(inside.map(({ rssKib }) => rssKib / 1024)),
      handles: median(inside.map(({ handles }) => handles)),
      threads: median(inside.map(({ threads }) => threads)),
    }
  })
}

/** The median of the last quarter as a ratio to that of the quarter after the first, in which the process settles. */
export function drift(intervals: readonly Interval[], of: (interval: Interval) => number): number {
  const settled = intervals.slice(Math.floor(intervals.length * SETTLING_SHARE))
  const part = Math.max(Math.floor(settled.length / 3), 1)
  return median(settled.slice(-part).map(of)) / median(settled.slice(0, part).map(of))
}

interface Soaked {
  readonly contestant: Contestant
  readonly intervals: readonly Interval[]
  readonly samples: readonly Sample[]
}

/** What the end is compared with the beginning by. */
const DRIFTS = [
  { title: 'messages/s', of: ({ messagesPerSecond }: Interval) => messagesPerSecond },
  { title: 'CPU per message', of: ({ cpuMicrosPerMessage }: Interval) => cpuMicrosPerMessage },
  { title: 'p99', of: ({ p99Ms }: Interval) => p99Ms },
  { title: 'memory', of: ({ rssMiB }: Interval) => rssMiB },
  { title: 'handles', of: ({ handles }: Interval) => handles },
] as const

async function measure(setting: Setting<SoakOptions>): Promise<Findings> {
  const { contestants, absent, options, say } = setting
  const attempts = new Attempts(say)
  const versions = new Versions()
  const soaked: Soaked[] = []
  for (const contestant of contestants) {
    const run = await attempts.make(contestant.label, () => soakOne(contestant, setting))
    if (run === undefined) continue
    attempts.check('soak', contestant, run)
    versions.add(run.result)
    const intervals = intervalsOf(run, WARM_UP_MESSAGES, INTERVALS)
    soaked.push({ contestant, intervals, samples: run.samples })
    say(
      `${contestant.label}: memory at the end is ${figure(drift(intervals, ({ rssMiB }) => rssMiB))} of the beginning's`,
    )
  }
  return {
    keyFigure: keyFigureOf(soaked, options.minutes),
    versions: versions.all(),
    sections: [driftSection(soaked), ...soaked.map(sectionOf)],
    method: [
      `${figure(options.perSecond)} messages/s fell due for ${figure(options.minutes)} minutes, whatever became of those ` +
        'before; the handler reads every byte. Memory, handles and CPU are of the process, as Linux tells them. Latency ' +
        'is from the time at which a message was due to the end of its handler. Every message was checked for losses, ' +
        'duplicates and the order of its key.',
    ],
    absent,
    faults: attempts.faults,
    raw: soaked.map(({ contestant, ...one }) => ({ contestant: contestant.id, ...one })),
  }
}

function soakOne(contestant: Contestant, setting: Setting<SoakOptions>): Promise<OpenLoopRun> {
  const { cluster, folder, options } = setting
  const { minutes, perSecond, keys, size, partitions, concurrency } = options
  const durationMs = minutes * 60_000
  return runOpenLoop(cluster, contestant, {
    messages: Math.ceil((perSecond * durationMs) / 1000),
    perSecond,
    warmUp: WARM_UP_MESSAGES,
    folder,
    keys,
    valueBytes: size,
    compression: contestant.lz4 ? 'lz4' : 'none',
    partitions,
    work: { kind: 'touch' },
    concurrency,
    deadlineMs: durationMs + START_AND_END_MS,
    sampleMs: durationMs / (INTERVALS * SAMPLES_PER_INTERVAL),
  })
}

function keyFigureOf(soaked: readonly Soaked[], minutes: number): string {
  const own = soaked.find(({ contestant }) => contestant.role === 'laneway')
  if (own === undefined) return 'laneway was not measured.'
  const [, cpu, , memory, handles] = DRIFTS.map(({ of }) => figure(drift(own.intervals, of)))
  return (
    `At the end of ${figure(minutes)} minutes laneway has ${memory} times the memory, ${handles} times the handles and ` +
    `${cpu} times the CPU per message of the beginning.`
  )
}

function sectionOf({ contestant, intervals }: Soaked): Section {
  return {
    title: contestant.label,
    prose: [],
    columns: [
      { title: 'until minute' },
      { title: 'handled', unit: 'messages/s' },
      { title: 'CPU per message', unit: 'µs' },
      { title: 'p50', unit: 'ms' },
      { title: 'p99', unit: 'ms' },
      { title: 'memory', unit: 'MiB' },
      { title: 'handles' },
      { title: 'threads' },
    ],
    rows: intervals.map((interval) => [
      interval.minute,
      interval.messagesPerSecond,
      interval.cpuMicrosPerMessage,
      interval.p50Ms,
      interval.p99Ms,
      interval.rssMiB,
      interval.handles,
      interval.threads,
    ]),
    charts: [],
  }
}

function driftSection(soaked: readonly Soaked[]): Section {
  return {
    title: 'Drift',
    prose: [
      'The end as a ratio to the beginning: medians of the last quarter of the time, and of the second one (in the first, ' +
        'heap and caches still fill).',
    ],
    columns: [{ title: 'contestant' }, ...DRIFTS.map(({ title }) => ({ title, unit: 'x' as const }))],
    rows: soaked.map(({ contestant, intervals }) => [
      contestant.label,
      ...DRIFTS.map(({ of }) => drift(intervals, of)),
    ]),
    charts: [memoryChart(soaked)],
  }
}

function memoryChart(soaked: readonly Soaked[]): LineChart {
  return {
    kind: 'lines',
    name: '',
    title: 'Resident memory under a steady load',
    unit: 'MiB',
    scale: 'linear',
    x: { title: 'minutes' },
    lines: soaked.map(({ contestant, samples }) => {
      const start = samples[0]?.micros ?? 0
      return {
        label: contestant.label,
        points: samples.map(({ micros, rssKib }) => [(micros - start) / 60e6, rssKib / 1024] as const),
      }
    }),
  }
}

export const soak = scenario({
  id: 'soak',
  title: 'A long run',
  question: 'Do memory, handles, CPU per message or latency drift under a steady load?',
  lineUp: { work: 'touch', own: ['laneway-key'] },
  runs: 1,
  options,
  configure: (command) => {
    command
      .option('--minutes <n>', 'for each contestant', positiveNumber, 60)
      .option('--per-second <n>', 'messages/s that fall due', wholeNumber, 2_000)
    addLoadOptions(command)
  },
  measure,
})
