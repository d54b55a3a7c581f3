/**
 * What a stalled message costs the others: the same topic is drained with and without one at the head of partition 0,
 * in alternation, each time in a process of its own. What counts is the median of the ratios within a round, once for
 * the other keys of that partition and once for the other partition.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Task } from './contestants/earlier-task.js'
import { TUNED_PROPERTIES } from './contestants/registry.js'
import { runProcess } from './harness/live-process.js'
import type { Machine } from './harness/machine.js'
import { balancedOrder, median } from './harness/statistics.js'
import type { Plan, Workload } from './throughput.js'

const KINDS = ['free', 'stalled'] as const
type Kind = (typeof KINDS)[number]

interface Result {
  /** Messages/s of [the partition with the head, the other one]. */
  readonly speeds: readonly [number, number]
  /** Of the process, all threads: it does not depend on what else the machine does as much as the speeds do. */
  readonly cpuMicrosecondsPerMessage: number
}

export interface StalledHeadRound {
  readonly round: number
  readonly free: Result
  readonly stalled: Result
}

export interface StalledHeadReport {
  readonly benchmark: 'stalled-head'
  readonly startedAt: string
  readonly machine: Machine
  readonly load: { readonly before: number; readonly after: number }
  readonly cluster: string
  readonly workload: { readonly messages: number; readonly valueBytes: number; readonly keys: number }
  readonly rounds: readonly StalledHeadRound[]
  /** Medians of stalled / free. */
  readonly otherKeys: number
  readonly otherPartition: number
  readonly cpu: number
}

/** A contestant ends itself at the deadline; else we end it. */
const GRACE_MS = 5_000
const script = fileURLToPath(new URL('./contestants/stalled-head.js', import.meta.url))

async function runOnce(kind: Kind, workload: Workload, plan: Plan): Promise<Result> {
  const { brokers, topic, messages } = workload
  const group = `bench-stalled-head-${randomBytes(4).toString('hex')}`
  const { deadlineMs } = plan
  const task: Task = { brokers, topic, group, messages, properties: TUNED_PROPERTIES, verify: false, deadlineMs }
  const command = { program: process.execPath, args: [script, JSON.stringify(task), kind] }
  const ending = await runProcess(command, deadlineMs + GRACE_MS)
  if (ending.kind !== 'ended') throw new Error(`${kind}: ${ending.reason}`)
  return parseResult(ending.lines.at(-1) ?? '')
}

function parseResult(line: string): Result {
  const { messages, seconds, cpuSeconds } = JSON.parse(line) as Readonly<Record<string, unknown>>
  const [first, second]: unknown[] = Array.isArray(seconds) ? seconds : []
  if (typeof messages !== 'number' || typeof cpuSeconds !== 'number') throw new Error(`not a result: ${line}`)
  if (typeof first !== 'number' || typeof second !== 'number') throw new Error(`not a result: ${line}`)
  return {
    speeds: [messages / first, messages / second],
    cpuMicrosecondsPerMessage: (cpuSeconds / (2 * messages)) * 1e6,
  }
}

const thousands = (value: number): string => Math.round(value).toLocaleString('en')

/** Runs all rounds, after one that warms the broker; `say` gets one line for each run. */
export async function measureStalledHead(
  workload: Workload,
  plan: Plan,
  say: (line: string) => void,
): Promise<Pick<StalledHeadReport, 'rounds' | 'otherKeys' | 'otherPartition' | 'cpu'>> {
  await runOnce('free', workload, plan)
  const rounds: StalledHeadRound[] = []
  for (let round = 1; round <= plan.runs; round += 1) {
    const results = new Map<Kind, Result>()
    for (const kind of balancedOrder(KINDS, round - 1)) {
      const result = await runOnce(kind, workload, plan)
      results.set(kind, result)
      say(`round ${round} of ${plan.runs}  ${kind}: ${result.speeds.map(thousands).join(' and ')} messages/s`)
    }
    const [free, stalled] = [results.get('free'), results.get('stalled')]
    if (free !== undefined && stalled !== undefined) rounds.push({ round, free, stalled })
  }
  const medianOf = (ratioOf: (round: StalledHeadRound) => number): number => median(rounds.map(ratioOf))
  return {
    rounds,
    otherKeys: medianOf(({ free, stalled }) => stalled.speeds[0] / free.speeds[0]),
    otherPartition: medianOf(({ free, stalled }) => stalled.speeds[1] / free.speeds[1]),
    cpu: medianOf(({ free, stalled }) => stalled.cpuMicrosecondsPerMessage / free.cpuMicrosecondsPerMessage),
  }
}

const ratio = (value: number): string => value.toFixed(3)

export function formatStalledHead(report: StalledHeadReport): string {
  const { workload, machine, cluster, load, rounds, startedAt } = report
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const head = [
    'round',
    'free: its partition',
    'the other',
    'stalled: its partition',
    'the other',
    'ratio',
    'ratio',
    'CPU µs/message',
  ]
  const rows = rounds.map(({ round, free, stalled }) => [
    String(round),
    ...[...free.speeds, ...stalled.speeds].map(thousands),
    ratio(stalled.speeds[0] / free.speeds[0]),
    ratio(stalled.speeds[1] / free.speeds[1]),
    `${free.cpuMicrosecondsPerMessage.toFixed(2)}, ${stalled.cpuMicrosecondsPerMessage.toFixed(2)}`,
  ])
  return [
    '# A stalled head',
    '',
    `\`npm run bench -- stalled-head --messages ${workload.messages} --size ${workload.valueBytes} --runs ${rounds.length} --keys ${workload.keys}\``,
    '',
    `With a message that never ends at the head of a partition, the other keys of that partition have ` +
      `**${ratio(report.otherKeys)}** of the throughput that they have without, and the other partition ` +
      `**${ratio(report.otherPartition)}**, at **${ratio(report.cpu)}** of the CPU per message (medians of the ` +
      'ratios within a round).',
    '',
    `${thousands(workload.messages)} messages of ${workload.valueBytes} B, ${thousands(workload.keys)} keys, ` +
      `2 partitions, empty handler; messages/s from the first message of a partition to nine tenths of it; ${cluster}.`,
    '',
    `${machine.cpu}, ${machine.cores} cores shared with the broker, ${machine.memoryGiB} GiB, ${machine.system}, ` +
      `Node ${machine.node}, load ${load.before} before and ${load.after} after; ${startedAt}.`,
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
    '',
  ].join('\n')
}

export async function writeStalledHead(folder: string, report: StalledHeadReport): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'stalled-head.json'), `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(join(folder, 'stalled-head.md'), formatStalledHead(report))
}
