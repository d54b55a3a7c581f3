/**
 * What a crash costs: a contestant is killed while some keys are stalled and most of what came after them is handled and
 * committed as well as it can be; a second process of its group finishes the work. Repeated is what both have handled. A
 * plain offset can only stand before the first stalled message, so that all behind it is repeated; one with a map of what is
 * done above it need not repeat anything but what the last commit has missed.
 *
 * Handlers of the first keys never end in the first process. Their messages are the gaps: 10,000 at the defaults.
 */

import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { addon } from '../../ts/native.js'
import { wholeNumber } from '../command-options.js'
import type { Contestant } from '../contestants/registry.js'
import { Attempts } from '../harness/attempts.js'
import { type Assignment, ContestantProcess } from '../harness/contestant-process.js'
import { type Ledger, messageNumber, readLedger } from '../harness/ledger.js'
import type { BarChart, Findings, Section } from '../harness/report.js'
import { figure } from '../harness/report-text.js'
import { balancedOrder, median, spread } from '../harness/statistics.js'
import type { FilledTopic } from '../harness/topic.js'
import { CONCURRENT_WAYS } from './peer-ways.js'
import { type Setting, scenario } from './scenario.js'

const options = z.object({
  messages: z.number(),
  stalledKeys: z.number(),
  size: z.number(),
  keys: z.number(),
  concurrency: z.number(),
})
type RestartOptions = z.output<typeof options>

/** Nothing new has been handled for so long: all that can be handled is, and a commit interval has passed since. */
const IDLE_MS = 8_000
const LOOK_MS = 200
/** The second process gets nothing until the group has given up the first one; librdkafka's default is 45 s. */
const SESSION_TIMEOUT_MS = '10000'

export interface Restart {
  /** Messages whose handler had ended in the first process. */
  readonly handled: number
  /** Of those, how many a handler of the second process was started for. */
  readonly repeated: number
  /** From the start of the second process to its first message: the group waits for the member that was killed. */
  readonly secondsToFirst: number
}

interface Tally {
  readonly contestant: Contestant
  readonly restarts: Restart[]
}

async function measure(setting: Setting<RestartOptions>): Promise<Findings> {
  const { topics, contestants, absent, options, runs, say } = setting
  const { messages, keys, size, stalledKeys } = options
  const attempts = new Attempts(say)
  const tallies: Tally[] = contestants.map((contestant) => ({ contestant, restarts: [] }))
  for (let round = 1; round <= runs; round += 1) {
    for (const { contestant, restarts } of balancedOrder(tallies, round - 1)) {
      const title = `round ${round} of ${runs}  ${contestant.label}`
      const compression = contestant.lz4 ? 'lz4' : 'none'
      // One partition: a gap map is a partition's, and all of it has to fit into one commit.
      const topic = await topics.get({ messages, valueBytes: size, keys, partitions: 1, compression })
      const restart = await attempts.make(title, () => crash(contestant, topic, setting))
      if (restart === undefined) continue
      restarts.push(restart)
      say(`${title}: ${figure(restart.repeated)} of ${figure(restart.handled)} messages repeated`)
    }
  }
  return {
    keyFigure: keyFigureOf(tallies),
    versions: { librdkafka: addon.versions().librdkafka },
    sections: [restartSection(tallies, runs)],
    method: [
      `${figure(messages)} messages of ${figure(keys)} keys in one partition; handlers of ${figure(stalledKeys)} keys never ` +
        `end, so that their messages, about ${figure(Math.round((messages * stalledKeys) / keys))}, are gaps in what is ` +
        `handled. When nothing more has been handled for ${IDLE_MS / 1000} s the process is killed (SIGKILL). A second one of ` +
        'its group, whose handlers are empty, handles the rest; repeated is what both have handled. Every message was ' +
        'handled at last, or the run counts as failed. The second process waits for the session of the first to time out: ' +
        '10 s for contestants on librdkafka, their default for others.',
    ],
    absent,
    faults: attempts.faults,
    raw: tallies.map(({ contestant, restarts }) => ({ contestant: contestant.id, restarts })),
  }
}

/** @throws Error where a process ends by itself, or a message is lost */
async function crash(entrant: Contestant, topic: FilledTopic, setting: Setting<RestartOptions>): Promise<Restart> {
  const { cluster, folder, options, deadlineMs } = setting
  const properties = { ...entrant.properties, 'session.timeout.ms': SESSION_TIMEOUT_MS }
  const contestant: Contestant = { ...entrant, properties }
  const { messages, stalledKeys, concurrency } = options
  const assignment = {
    brokers: cluster.brokers,
    topic: topic.name,
    group: `bench-restart-${randomBytes(4).toString('hex')}`,
    // More than there are, so that neither process ends by itself.
    messages: 2 * messages,
    concurrency,
    flush: 'each',
    deadlineMs,
    folder,
  } as const
  const first = await untilKilled(contestant, { ...assignment, work: { kind: 'stall', keys: stalledKeys } })
  const second = await untilKilled(contestant, { ...assignment, work: { kind: 'none' } })
  const handled = messagesOf(first.handled, true)
  const started = messagesOf(second.handled, false)
  const lost = messages - new Set([...handled, ...messagesOf(second.handled, true)]).size
  if (lost > 0) throw new Error(`${lost} of ${messages} messages were lost`)
  const repeated = [...handled].filter((message) => started.has(message)).length
  return { handled: handled.size, repeated, secondsToFirst: (second.handled.micros(0) - second.startedAt) / 1e6 }
}

interface Killed {
  /** µs since the epoch. */
  readonly startedAt: number
  readonly handled: Ledger
}

/** Runs a process until it has nothing left to do. */
async function untilKilled(contestant: Contestant, assignment: Assignment): Promise<Killed> {
  await using running = new ContestantProcess(contestant, assignment)
  const looking = new AbortController()
  try {
    const ending = await Promise.race([running.ended, idle(running.ledger, looking.signal)])
    if (ending !== undefined) throw new Error(ending.kind === 'ended' ? 'it ended by itself' : ending.reason)
    await running.kill()
    return { startedAt: running.startedAt, handled: await readLedger(running.ledger) }
  } finally {
    looking.abort()
  }
}

/** Returns when there is something in the file and nothing more comes. */
async function idle(file: string, signal: AbortSignal): Promise<undefined> {
  let size = 0
  let since = performance.now()
  while (!signal.aborted) {
    const now = await sizeOf(file)
    if (now !== size) since = performance.now()
    else if (size > 0 && performance.now() - since >= IDLE_MS) return
    size = now
    await sleep(LOOK_MS)
  }
}

/** 0 where the process has not made it yet. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

/** Which messages ended, or started. */
function messagesOf(ledger: Ledger, ends: boolean): Set<number> {
  const messages = new Set<number>()
  for (let i = 0; i < ledger.length; i += 1) if (ledger.isEnd(i) === ends) messages.add(messageNumber(ledger, i))
  return messages
}

/** Of laneway, and of the peer that repeats the least. */
function keyFigureOf(tallies: readonly Tally[]): string {
  const measured = tallies.filter(({ restarts }) => restarts.length > 0)
  const own = measured.find(({ contestant }) => contestant.role === 'laneway')
  if (own === undefined) return 'laneway was not measured.'
  const beside = measured
    .filter(({ contestant }) => contestant.role === 'peer')
    .map((tally) => `, ${tally.contestant.label} ${repeatedOf(tally)}`)
  return `After a kill laneway repeats ${repeatedOf(own)}${beside.join('')}.`
}

/** How much was handled before the kill belongs to it: who stops at the first gaps has little to repeat. */
function repeatedOf(tally: Tally): string {
  const handled = median(tally.restarts.map(({ handled }) => handled))
  return `${percent(medianShare(tally))} of the ${figure(handled)} that it had handled`
}

const percent = (share: number): string => `${figure(share * 100)} %`
const medianShare = ({ restarts }: Tally): number => median(restarts.map(({ handled, repeated }) => repeated / handled))

function restartSection(tallies: readonly Tally[], rounds: number): Section {
  return {
    title: 'After kill -9',
    prose: [],
    columns: [
      { title: 'contestant' },
      { title: 'handled before the kill' },
      { title: 'repeated' },
      { title: 'of these', unit: '%' },
      { title: 'second process: first message after', unit: 's' },
      { title: 'runs' },
    ],
    rows: tallies.map(({ contestant, restarts }) => [
      contestant.label,
      spread(restarts.map(({ handled }) => handled)) ?? null,
      spread(restarts.map(({ repeated }) => repeated)) ?? null,
      spread(restarts.map(({ handled, repeated }) => (repeated / handled) * 100)) ?? null,
      spread(restarts.map(({ secondsToFirst }) => secondsToFirst)) ?? null,
      `${restarts.length} of ${rounds}`,
    ]),
    charts: [repeatedChart(tallies)],
  }
}

function repeatedChart(tallies: readonly Tally[]): BarChart {
  return {
    kind: 'bars',
    name: '',
    title: 'Messages handled again after a kill: median, lowest to highest run',
    unit: 'messages',
    scale: 'linear',
    groups: [
      {
        label: '',
        bars: tallies.map(({ contestant, restarts }) => ({
          label: contestant.label,
          role: contestant.role,
          value: spread(restarts.map(({ repeated }) => repeated)) ?? 'did not finish',
        })),
      },
    ],
  }
}

export const restart = scenario({
  id: 'restart',
  title: 'What a crash repeats',
  question: 'How much finished work does a killed process leave to be done again, with 10,000 gaps in it?',
  lineUp: { work: 'stall', own: ['laneway-key'], ways: CONCURRENT_WAYS },
  runs: 3,
  brief: { options: ['--runs', '1'], minutes: 6 },
  options,
  configure: (command) =>
    command
      .option('--messages <n>', 'messages of the topic', wholeNumber, 200_000)
      .option('--stalled-keys <n>', 'keys whose handlers never end in the first process', wholeNumber, 50)
      .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
      .option('--keys <n>', 'keys, uniformly used', wholeNumber, 1_000)
      .option('--concurrency <n>', 'handlers at once; more than are stalled', wholeNumber, 100),
  measure,
})
