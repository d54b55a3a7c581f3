/**
 * The engines experiment: each engine, at no work, at 200 µs of CPU and at 10 ms of waiting for each message, in a process
 * of its own. In each round it drains a topic (messages/s, CPU) and then follows one that is produced to at a steady rate
 * (latency, from the time at which a message was due to the start of its handler).
 *
 * In round 0 the handlers note every message of the drain, so that losses and the order of keys are checked under load; its
 * figures do not count. Every follow is checked likewise. What counts are ratios to inline within a round.
 */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Option } from 'commander'
import { TestProducer } from 'laneway/testing'
import { z } from 'zod'
import { addon } from '../../ts/native.js'
import { choicesOf, wholeNumber } from '../command-options.js'
import { absenceOf } from '../contestants/engine/absence.js'
import {
  ENGINE_IDS,
  type EngineId,
  type EngineOrder,
  type EngineResult,
  engineResult,
  WARM_UP_KEY,
  WORKS,
  type Work,
} from '../contestants/engine/order.js'
import { TUNED_PROPERTIES } from '../contestants/registry.js'
import type { Cluster } from '../harness/cluster.js'
import { runProcess } from '../harness/live-process.js'
import { balancedOrder, median, percentiles } from '../harness/statistics.js'
import { fillTopic } from '../harness/topic.js'
import { type EngineLog, readEngineLog } from './engine-log.js'
import { enginesFindings } from './engines-findings.js'
import { scenario } from './scenario.js'

export interface EnginesPlan {
  readonly engines: readonly EngineId[]
  readonly works: readonly Work[]
  readonly runs: number
  /** Of a drain without work; the others drain a share of it. */
  readonly messages: number
  /** Of a follow. */
  readonly perSecond: number
  readonly seconds: number
  /** For one process. */
  readonly deadlineMs: number
}

/** One round of one engine at one work. */
export interface EngineRun {
  readonly round: number
  readonly messagesPerSecond: number
  readonly hostCpuMicroseconds: number
  readonly workersCpuMicroseconds: number
  readonly latencyP50Ms: number
  readonly latencyP99Ms: number
}

export interface EngineRow {
  readonly engine: EngineId
  readonly work: Work
  readonly runs: readonly EngineRun[]
  /** Why it has fewer runs than rounds, or was not measured. */
  readonly trouble: string | undefined
  /** Medians of the ratios to inline within a round, and of the differences; undefined where no round has both. */
  readonly timesInline: number | undefined
  readonly timesInlineCpu: number | undefined
  readonly addedP50Ms: number | undefined
  readonly addedP99Ms: number | undefined
}

export interface EnginesOutcome {
  readonly rows: readonly EngineRow[]
  /** Messages/s of two worker threads as a ratio to one, at 200 µs of CPU: median of the rounds. */
  readonly secondThread: number | undefined
}

/** A drain takes seconds, whatever the work. */
const SHARE_OF_MESSAGES: Readonly<Record<Work, number>> = { none: 1, spin: 1 / 10, wait: 1 / 4 }
const KEYS = 10_000
const PARTITIONS = 4
const VALUE_BYTES = 100
/** A contestant ends itself at the deadline; else we end it. */
const GRACE_MS = 5_000
const script = fileURLToPath(new URL('../contestants/engine.js', import.meta.url))

class Experiment {
  readonly #cluster: Cluster
  readonly #plan: EnginesPlan
  readonly #folder: string
  readonly #say: (line: string) => void
  readonly #topics = new Map<Work, { readonly name: string; readonly messages: number }>()
  #logs = 0

  constructor(cluster: Cluster, plan: EnginesPlan, folder: string, say: (line: string) => void) {
    this.#cluster = cluster
    this.#plan = plan
    this.#folder = folder
    this.#say = say
  }

  async fill(): Promise<void> {
    for (const work of this.#plan.works) {
      const messages = Math.max(Math.round(this.#plan.messages * SHARE_OF_MESSAGES[work]), 1_000)
      const shape = { messages, valueBytes: VALUE_BYTES, keys: KEYS, partitions: PARTITIONS }
      const { name } = await fillTopic(this.#cluster, shape, this.#folder)
      this.#topics.set(work, { name, messages })
    }
  }

  async empty(): Promise<void> {
    for (const { name } of this.#topics.values()) await this.#cluster.deleteTopic(name)
  }

  /** Throws where messages are lost, or the order of a key does not hold. */
  async verify(engine: EngineId, work: Work): Promise<void> {
    const log = this.#nextLog()
    const { name: topic, messages } = this.#topicOf(work)
    await this.#run({ engine, work, load: { kind: 'drain' }, topic, messages, log })
    await this.#check(log, messages)
    this.#say(`verification  ${engine}, ${work}: every message, in order`)
  }

  async measure(engine: EngineId, work: Work, round: number): Promise<EngineRun> {
    const drained = await this.#drain(engine, work)
    const { delays } = await this.#follow(engine, work)
    const { p50, p99 } = percentiles(delays)
    const { messages, seconds, hostCpuSeconds, workersCpuSeconds } = drained
    const run: EngineRun = {
      round,
      messagesPerSecond: messages / seconds,
      hostCpuMicroseconds: (hostCpuSeconds / messages) * 1e6,
      workersCpuMicroseconds: (workersCpuSeconds / messages) * 1e6,
      latencyP50Ms: p50,
      latencyP99Ms: p99,
    }
    const speed = Math.round(run.messagesPerSecond).toLocaleString('en')
    const latency = `${run.latencyP50Ms.toFixed(1)} and ${run.latencyP99Ms.toFixed(1)} ms`
    this.#say(`round ${round} of ${this.#plan.runs}  ${engine}, ${work}: ${speed} messages/s, ${latency}`)
    return run
  }

  #drain(engine: EngineId, work: Work): Promise<EngineResult> {
    const { name: topic, messages } = this.#topicOf(work)
    return this.#run({ engine, work, load: { kind: 'drain' }, topic, messages, log: '' })
  }

  async #follow(engine: EngineId, work: Work): Promise<EngineLog> {
    const { perSecond, seconds } = this.#plan
    const topic = `laneway-bench-${randomBytes(4).toString('hex')}`
    await this.#cluster.createTopic(topic, PARTITIONS)
    await using producer = new TestProducer({ 'bootstrap.servers': this.#cluster.brokers })
    await producer.send({ topic, key: WARM_UP_KEY, value: '0' })
    await producer.flush()
    const log = this.#nextLog()
    const messages = Math.round(perSecond * seconds)
    await this.#run({ engine, work, load: { kind: 'follow', perSecond }, topic, messages, log })
    await this.#cluster.deleteTopic(topic)
    return this.#check(log, messages)
  }

  async #check(file: string, messages: number): Promise<EngineLog> {
    const log = await readEngineLog(file)
    await rm(file)
    if (log.inversions > 0) throw new Error(`${log.inversions} messages out of order or twice`)
    if (log.messages !== messages) throw new Error(`${log.messages} messages instead of ${messages}`)
    return log
  }

  async #run(
    order: Pick<EngineOrder, 'engine' | 'work' | 'load' | 'topic' | 'messages' | 'log'>,
  ): Promise<EngineResult> {
    const { deadlineMs } = this.#plan
    const group = `bench-${order.engine}-${randomBytes(4).toString('hex')}`
    const all: EngineOrder = {
      ...order,
      brokers: this.#cluster.brokers,
      group,
      // As fast as possible, or as soon: a message must not wait for others.
      properties: order.load.kind === 'drain' ? TUNED_PROPERTIES : {},
      deadlineMs,
    }
    const ending = await runProcess(
      { program: process.execPath, args: [script, JSON.stringify(all)] },
      deadlineMs + GRACE_MS,
    )
    if (ending.kind !== 'ended') throw new Error(`${ending.kind}: ${ending.reason}`)
    return engineResult.parse(JSON.parse(ending.lines.at(-1) ?? ''))
  }

  #topicOf(work: Work): { readonly name: string; readonly messages: number } {
    const topic = this.#topics.get(work)
    if (topic === undefined) throw new Error(`no topic was filled for ${work}`)
    return topic
  }

  #nextLog(): string {
    this.#logs += 1
    return join(this.#folder, `log-${this.#logs}`)
  }
}

interface Tally {
  readonly engine: EngineId
  readonly work: Work
  readonly runs: EngineRun[]
  trouble: string | undefined
}

/** Runs all rounds; `say` gets one line for each engine, work and round. */
async function measureEngines(
  cluster: Cluster,
  plan: EnginesPlan,
  folder: string,
  say: (line: string) => void,
): Promise<EnginesOutcome> {
  const experiment = new Experiment(cluster, plan, folder, say)
  const tallies: Tally[] = plan.works.flatMap((work) =>
    plan.engines.map((engine) => ({ engine, work, runs: [], trouble: absenceOf(engine) })),
  )
  // Who fails once is in the table with its reason, and keeps nobody from being measured.
  const attempt = async (tally: Tally, what: (tally: Tally) => Promise<void>): Promise<void> => {
    if (tally.trouble !== undefined) return
    try {
      await what(tally)
    } catch (error) {
      tally.trouble = error instanceof Error ? error.message : String(error)
      say(`FAILED  ${tally.engine}, ${tally.work}: ${tally.trouble}`)
    }
  }
  await experiment.fill()
  for (const tally of tallies) await attempt(tally, ({ engine, work }) => experiment.verify(engine, work))
  for (let round = 1; round <= plan.runs; round += 1) {
    for (const tally of balancedOrder(tallies, round - 1)) {
      await attempt(tally, async ({ engine, work, runs }) => {
        runs.push(await experiment.measure(engine, work, round))
      })
    }
  }
  await experiment.empty()
  return conclude(tallies)
}

const cpuOf = ({ hostCpuMicroseconds, workersCpuMicroseconds }: EngineRun): number =>
  hostCpuMicroseconds + workersCpuMicroseconds

function medianOf(
  runs: readonly EngineRun[],
  base: readonly EngineRun[] | undefined,
  of: (run: EngineRun, base: EngineRun) => number,
): number | undefined {
  const values = runs.flatMap((run) => {
    const other = base?.find(({ round }) => round === run.round)
    return other === undefined ? [] : [of(run, other)]
  })
  return values.length === 0 ? undefined : median(values)
}

function conclude(tallies: readonly Tally[]): EnginesOutcome {
  const runsOf = (engine: EngineId, work: Work): readonly EngineRun[] | undefined =>
    tallies.find((tally) => tally.engine === engine && tally.work === work)?.runs
  const rows = tallies.map(({ engine, work, runs, trouble }) => {
    const base = runsOf('inline', work)
    return {
      engine,
      work,
      runs,
      trouble,
      timesInline: medianOf(runs, base, (run, inline) => run.messagesPerSecond / inline.messagesPerSecond),
      timesInlineCpu: medianOf(runs, base, (run, inline) => cpuOf(run) / cpuOf(inline)),
      addedP50Ms: medianOf(runs, base, (run, inline) => run.latencyP50Ms - inline.latencyP50Ms),
      addedP99Ms: medianOf(runs, base, (run, inline) => run.latencyP99Ms - inline.latencyP99Ms),
    }
  })
  const two = runsOf('worker-threads-2', 'spin') ?? []
  const one = runsOf('worker-threads-1', 'spin')
  const secondThread = medianOf(two, one, (run, base) => run.messagesPerSecond / base.messagesPerSecond)
  return { rows, secondThread }
}

const options = z.object({
  messages: z.number(),
  perSecond: z.number(),
  seconds: z.number(),
  engines: z.array(z.enum(ENGINE_IDS)),
  work: z.array(z.enum(WORKS)),
})

export const engines = scenario({
  id: 'engines',
  title: 'Engines',
  question: 'What does each engine cost in messages/s, CPU and latency beside inline, and what does it bring?',
  runs: 3,
  options,
  configure: (command) => {
    command
      .option('--messages <n>', 'messages of a drain without work; the others drain a share', wholeNumber, 200_000)
      .option('--per-second <n>', 'messages/s at which latency is measured', wholeNumber, 1_000)
      .option('--seconds <n>', 'for so long', wholeNumber, 4)
      .addOption(
        new Option('--engines <ids>', 'only these, beside inline')
          .argParser(choicesOf(ENGINE_IDS))
          .default([...ENGINE_IDS]),
      )
      .addOption(new Option('--work <kinds>', 'only these').argParser(choicesOf(WORKS)).default([...WORKS]))
  },
  measure: async ({ cluster, options: chosen, runs, deadlineMs, folder, say }) => {
    const { messages, perSecond, seconds, work: works } = chosen
    // Ratios are to inline.
    const wanted = ENGINE_IDS.filter((id) => id === 'inline' || chosen.engines.includes(id))
    const plan = { engines: wanted, works, runs, messages, perSecond, seconds, deadlineMs }
    const outcome = await measureEngines(cluster, plan, folder, say)
    const versions = { librdkafka: addon.versions().librdkafka }
    return { ...enginesFindings(outcome, plan), versions, absent: [] }
  },
})
