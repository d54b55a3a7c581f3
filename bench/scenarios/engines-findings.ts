/** What the engines scenario found: one table, figures of each engine beside what they are as ratios to inline. */
import { type EngineId, SPIN_US, WAIT_MS, WORKS, type Work } from '../contestants/engine/order.js'
import type { BarChart, Cell, Findings, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import { median, spread } from '../harness/statistics.js'
import type { EngineRow, EngineRun, EnginesOutcome, EnginesPlan } from './engines.js'

const WORK_LABELS: Readonly<Record<Work, string>> = {
  none: 'no work',
  spin: `${SPIN_US} µs of CPU`,
  wait: `${WAIT_MS} ms of waiting`,
}

const ENGINE_LABELS: Readonly<Record<EngineId, string>> = {
  inline: 'inline',
  'worker-threads-1': 'worker threads, 1',
  'worker-threads-2': 'worker threads, 2',
  'processes-node': 'processes, 1 in Node',
  'processes-python': 'processes, 1 in Python',
  'processes-go': 'processes, 1 in Go',
  'remote-node': 'remote workers, 1 in Node over loopback',
}

export function enginesFindings(outcome: EnginesOutcome, plan: EnginesPlan): Omit<Findings, 'versions' | 'absent'> {
  const { rows, secondThread } = outcome
  const measured = WORKS.filter((work) => plan.works.includes(work))
  return {
    keyFigure: keyFigureOf(rows, secondThread),
    sections: [sectionOf(measured, rows, plan)],
    method: [
      'Messages/s and CPU are of draining a topic, without the first tenth, in which workers start. Latency is from the ' +
        `time at which a message was due, at ${figure(plan.perSecond)} messages/s, to the start of its handler; what is ` +
        'added is the difference to inline. Ratios and differences are medians of those within a round. Every engine runs ' +
        'in a process of its own. A drain before the first round, and every run at a steady rate, was checked for losses ' +
        'and for the order of keys.',
      'Messages of 100 B, 10,000 keys, 4 partitions. A drain with work has a share of the messages: a tenth with ' +
        `${WORK_LABELS.spin}, a quarter with ${WORK_LABELS.wait}.`,
    ],
    faults: rows.flatMap(({ engine, work, trouble }) =>
      trouble === undefined ? [] : [`${ENGINE_LABELS[engine]}, ${WORK_LABELS[work]}: ${trouble.split('\n')[0]}`],
    ),
    raw: { plan, ...outcome },
  }
}

function keyFigureOf(rows: readonly EngineRow[], secondThread: number | undefined): string {
  const threads = rows.find(({ engine, work }) => engine === 'worker-threads-1' && work === 'none')
  const scaling =
    secondThread === undefined
      ? 'Two worker threads were not compared with one.'
      : `Two worker threads handle ${figure(secondThread)} times the messages of one at ${SPIN_US} µs of CPU.`
  if (threads?.timesInline === undefined) return scaling
  return `${scaling} Without work one has ${figure(threads.timesInline)} of the throughput of inline.`
}

function sectionOf(works: readonly Work[], rows: readonly EngineRow[], plan: EnginesPlan): Section {
  const rowsWith = (work: Work): EngineRow[] => rows.filter((row) => row.work === work)
  return {
    title: 'Each engine beside inline',
    prose: [],
    columns: [
      { title: 'handler' },
      { title: 'engine' },
      { title: 'speed', unit: 'messages/s' },
      { title: 'to inline', unit: 'x' },
      { title: 'latency p50', unit: 'ms' },
      { title: 'p99', unit: 'ms' },
      { title: 'p50 added', unit: 'ms' },
      { title: 'p99 added', unit: 'ms' },
      { title: 'CPU per message: host', unit: 'µs' },
      { title: 'workers', unit: 'µs' },
      { title: 'both to inline', unit: 'x' },
      { title: 'runs' },
    ],
    rows: works.flatMap(rowsWith).map((row) => cells(row, plan.runs)),
    charts: works.map((work) => chartOf(work, rowsWith(work))),
  }
}

function cells({ engine, work, runs, ...row }: EngineRow, rounds: number): Cell[] {
  const spreadOf = (of: (run: EngineRun) => number): Cell => spread(runs.map(of)) ?? null
  return [
    WORK_LABELS[work],
    ENGINE_LABELS[engine],
    spreadOf((run) => run.messagesPerSecond),
    row.timesInline ?? null,
    spreadOf((run) => run.latencyP50Ms),
    spreadOf((run) => run.latencyP99Ms),
    row.addedP50Ms ?? null,
    row.addedP99Ms ?? null,
    medianOf(runs, (run) => run.hostCpuMicroseconds),
    medianOf(runs, (run) => run.workersCpuMicroseconds),
    row.timesInlineCpu ?? null,
    `${runs.length} of ${rounds}`,
  ]
}

function medianOf(runs: readonly EngineRun[], of: (run: EngineRun) => number): Cell {
  return runs.length === 0 ? null : median(runs.map(of))
}

function chartOf(work: Work, rows: readonly EngineRow[]): BarChart {
  const bars = rows.map(({ engine, runs }) => ({
    label: ENGINE_LABELS[engine],
    role: engine === 'inline' ? ('limit' as const) : ('laneway' as const),
    value: spread(runs.map(({ messagesPerSecond }) => messagesPerSecond)) ?? 'not measured',
  }))
  return {
    kind: 'bars',
    name: work,
    title: `Messages per second, ${WORK_LABELS[work]}: median, lowest to highest round`,
    unit: 'messages/s',
    scale: 'linear',
    groups: [{ label: '', bars }],
  }
}
