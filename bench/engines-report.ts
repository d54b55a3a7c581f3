/** How the engines benchmark is shown: one table, as Markdown, and one JSON document. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type EngineId, SPIN_US, WAIT_MS, type Work } from './contestants/engine/order.js'
import type { EngineRow, EngineRun, EnginesOutcome, EnginesPlan } from './engines.js'
import type { Machine } from './harness/machine.js'
import { median } from './harness/statistics.js'

export interface EnginesReport extends EnginesOutcome {
  readonly benchmark: 'engines'
  readonly startedAt: string
  readonly machine: Machine
  readonly load: { readonly before: number; readonly after: number }
  readonly cluster: string
  readonly plan: EnginesPlan
}

const WORK_LABELS: Readonly<Record<Work, string>> = {
  none: '0 µs',
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

const HEAD = [
  'handler',
  'engine',
  'messages/s',
  'x inline',
  'added latency p50',
  'p99',
  'CPU µs/message: host',
  'workers',
  'x inline',
  'rounds',
]

const thousands = (value: number): string => Math.round(value).toLocaleString('en')
const ratio = (value: number | undefined): string => (value === undefined ? '' : value.toPrecision(3))
const ms = (value: number | undefined): string => (value === undefined ? '' : `${value.toFixed(2)} ms`)

function cells({ engine, work, runs, trouble, ...row }: EngineRow, rounds: number): string[] {
  const middle = (of: (run: EngineRun) => number): number => median(runs.map(of))
  const count = `${runs.length} of ${rounds}${trouble === undefined ? '' : `: ${trouble.split('\n')[0]}`}`
  if (runs.length === 0)
    return [WORK_LABELS[work], ENGINE_LABELS[engine], 'not measured', '', '', '', '', '', '', count]
  const latency =
    engine === 'inline'
      ? [`(${ms(middle((run) => run.latencyP50Ms))})`, `(${ms(middle((run) => run.latencyP99Ms))})`]
      : [ms(row.addedP50Ms), ms(row.addedP99Ms)]
  return [
    WORK_LABELS[work],
    ENGINE_LABELS[engine],
    thousands(middle((run) => run.messagesPerSecond)),
    ratio(row.timesInline),
    ...latency,
    middle((run) => run.hostCpuMicroseconds).toFixed(1),
    middle((run) => run.workersCpuMicroseconds).toFixed(1),
    ratio(row.timesInlineCpu),
    count,
  ]
}

export function formatEngines(report: EnginesReport): string {
  const { plan, machine, cluster, load, rows, secondThread, startedAt } = report
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const scaling =
    secondThread === undefined
      ? []
      : [`Two worker threads handle **${ratio(secondThread)}** times the messages of one at ${SPIN_US} µs of CPU.`, '']
  return [
    '# Engines',
    '',
    `\`npm run bench -- engines --messages ${plan.messages} --runs ${plan.runs} --per-second ${plan.perSecond} --seconds ${plan.seconds}\``,
    '',
    ...scaling,
    line(HEAD),
    line(HEAD.map(() => '---')),
    ...rows.map((row) => line(cells(row, plan.runs))),
    '',
    'Messages/s and CPU are of draining a topic, without the first tenth, in which workers start; latency is from the',
    `time at which a message was due, at ${thousands(plan.perSecond)} messages/s, to the start of its handler: for inline`,
    'as it is, in parentheses, for the others what they add to it. Ratios and differences are medians of those to inline',
    'within a round; the other figures are medians. Every engine runs in a process of its own. A drain before the first',
    'round, and every run at a steady rate, was checked for losses and for the order of keys.',
    '',
    `${thousands(plan.messages)} messages (0 µs), 100 B each, 10,000 keys, 4 partitions; ${cluster}. ${machine.cpu}, ` +
      `${machine.cores} cores shared with the broker, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, ` +
      `load ${load.before} before and ${load.after} after; ${startedAt}.`,
    '',
    'The figures of every round are in [engines.json](engines.json).',
    '',
  ].join('\n')
}

export async function writeEngines(folder: string, report: EnginesReport): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'engines.json'), `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(join(folder, 'engines.md'), formatEngines(report))
}
