/**
 * What a stalled message costs the others: the same topic is drained with and without one at the head of partition 0,
 * in alternation, each time in a process of its own. What counts is the median of the ratios within a round, once for
 * the other keys of that partition and once for the other partition.
 */

import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { addon } from '../../ts/native.js'
import { wholeNumber } from '../command-options.js'
import { TUNED_PROPERTIES } from '../contestants/registry.js'
import type { Task } from '../contestants/task.js'
import { runProcess } from '../harness/live-process.js'
import type { BarChart, Findings, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import { balancedOrder, median, spread } from '../harness/statistics.js'
import { type Setting, scenario } from './scenario.js'

const options = z.object({ messages: z.number(), size: z.number(), keys: z.number() })
type StalledHeadOptions = z.output<typeof options>

const KINDS = ['free', 'stalled'] as const
type Kind = (typeof KINDS)[number]

/** Partition 0 has the head. */
const PARTITIONS = 2

interface Drain {
  /** Messages/s of [the partition with the head, the other one]. */
  readonly speeds: readonly [number, number]
  /** Of the process, all threads: it does not depend on what else the machine does as much as the speeds do. */
  readonly cpuMicrosecondsPerMessage: number
}

interface Round {
  readonly round: number
  readonly free: Drain
  readonly stalled: Drain
}

/** A contestant ends itself at the deadline; else we end it. */
const GRACE_MS = 5_000
const script = fileURLToPath(new URL('../contestants/stalled-head.js', import.meta.url))

const drainLine = z
  .object({ messages: z.number(), seconds: z.tuple([z.number(), z.number()]), cpuSeconds: z.number() })
  .transform(
    ({ messages, seconds, cpuSeconds }): Drain => ({
      speeds: [messages / seconds[0], messages / seconds[1]],
      cpuMicrosecondsPerMessage: (cpuSeconds / (PARTITIONS * messages)) * 1e6,
    }),
  )

async function drain(
  kind: Kind,
  topic: string,
  { cluster, options, deadlineMs }: Setting<StalledHeadOptions>,
): Promise<Drain> {
  const task: Task = {
    brokers: cluster.brokers,
    topic,
    group: `bench-stalled-head-${randomBytes(4).toString('hex')}`,
    messages: options.messages,
    properties: TUNED_PROPERTIES,
    work: { kind: 'none' },
    concurrency: 1,
    flush: 'end',
    deadlineMs,
  }
  const command = { program: process.execPath, args: [script, JSON.stringify(task), kind] }
  const ending = await runProcess(command, deadlineMs + GRACE_MS)
  if (ending.kind !== 'ended') throw new Error(`${kind}: ${ending.reason}`)
  return drainLine.parse(JSON.parse(ending.lines.at(-1) ?? ''))
}

async function measureRound(round: number, topic: string, setting: Setting<StalledHeadOptions>): Promise<Round> {
  const drains = new Map<Kind, Drain>()
  for (const kind of balancedOrder(KINDS, round - 1)) {
    const one = await drain(kind, topic, setting)
    drains.set(kind, one)
    const speeds = one.speeds.map((speed) => figure(speed)).join(' and ')
    setting.say(`round ${round} of ${setting.runs}  ${kind}: ${speeds} messages/s`)
  }
  const [free, stalled] = [drains.get('free'), drains.get('stalled')]
  if (free === undefined || stalled === undefined) throw new Error('a round has both kinds')
  return { round, free, stalled }
}

async function measure(setting: Setting<StalledHeadOptions>): Promise<Findings> {
  const { topics, options, runs } = setting
  const { messages, size, keys } = options
  const { name: topic } = await topics.get({ messages, valueBytes: size, keys, partitions: PARTITIONS })
  // Warms the broker.
  await drain('free', topic, setting)
  const rounds: Round[] = []
  for (let round = 1; round <= runs; round += 1) rounds.push(await measureRound(round, topic, setting))
  return conclude(rounds)
}

/** Stalled as a ratio to free, by what it is a ratio of. */
const RATIOS = [
  { title: 'its partition', of: ({ free, stalled }: Round) => stalled.speeds[0] / free.speeds[0] },
  { title: 'the other partition', of: ({ free, stalled }: Round) => stalled.speeds[1] / free.speeds[1] },
  {
    title: 'CPU per message',
    of: ({ free, stalled }: Round) => stalled.cpuMicrosecondsPerMessage / free.cpuMicrosecondsPerMessage,
  },
] as const

function conclude(rounds: readonly Round[]): Findings {
  const [otherKeys, otherPartition, cpu] = RATIOS.map(({ of }) => figure(median(rounds.map(of))))
  return {
    keyFigure:
      `With a message that never ends at the head of a partition, its other keys have ${otherKeys} of the throughput ` +
      `that they have without, and the other partition ${otherPartition}, at ${cpu} of the CPU per message.`,
    versions: { librdkafka: addon.versions().librdkafka },
    sections: [medians(rounds), everyRound(rounds)],
    method: [
      'Both partitions of one topic are drained by an empty handler, with a message that never ends at the head of one of ' +
        'them and without, in alternation. Messages/s are from the first message of a partition to nine tenths of it.',
    ],
    absent: [],
    faults: [],
    raw: rounds,
  }
}

function medians(rounds: readonly Round[]): Section {
  return {
    title: 'With a stalled head, as ratios to without',
    prose: [],
    columns: [{ title: '' }, { title: 'ratio within a round', unit: 'x' }],
    rows: RATIOS.map(({ title, of }) => [title, spread(rounds.map(of)) ?? null]),
    charts: [],
  }
}

function everyRound(rounds: readonly Round[]): Section {
  return {
    title: 'Every round',
    prose: [],
    columns: [
      { title: 'round' },
      ...KINDS.flatMap((kind) => [
        { title: `${kind}: its partition`, unit: 'messages/s' as const },
        { title: 'the other', unit: 'messages/s' as const },
        { title: 'CPU per message', unit: 'µs' as const },
      ]),
    ],
    rows: rounds.map((round) => [
      round.round,
      ...KINDS.flatMap((kind) => [...round[kind].speeds, round[kind].cpuMicrosecondsPerMessage]),
    ]),
    charts: [speedChart(rounds)],
  }
}

function speedChart(rounds: readonly Round[]): BarChart {
  const bar = (kind: Kind, partition: 0 | 1) => ({
    label: kind === 'free' ? 'without' : 'with a stalled head',
    role: kind === 'free' ? ('limit' as const) : ('laneway' as const),
    value: spread(rounds.map((round) => round[kind].speeds[partition])) ?? 'not measured',
  })
  return {
    kind: 'bars',
    name: '',
    title: 'Messages per second beside a stalled head: median, lowest to highest round',
    unit: 'messages/s',
    scale: 'linear',
    groups: [
      { label: 'the other keys of its partition', bars: [bar('free', 0), bar('stalled', 0)] },
      { label: 'the other partition', bars: [bar('free', 1), bar('stalled', 1)] },
    ],
  }
}

export const stalledHead = scenario({
  id: 'stalled-head',
  title: 'A stalled head',
  question: 'What does a message that never ends cost the other keys of its partition, and other partitions?',
  runs: 7,
  brief: { options: [], minutes: 1 },
  options,
  configure: (command) =>
    command
      .option('--messages <n>', 'messages in the topic', wholeNumber, 2_000_000)
      .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
      .option('--keys <n>', 'keys, uniformly used', wholeNumber, 10_000),
  measure,
})
