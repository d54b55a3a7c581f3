/** The benchmarks that have a report of their own: exactly-once, stalled-head and engines. */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { addon } from '../ts/native.js'
import { ENGINE_IDS, type EngineId, WORKS, type Work } from './contestants/engine/order.js'
import { type Benchmark, CONTESTANT_IDS, gatherContestants } from './contestants.js'
import { measureEngines } from './engines.js'
import { type EnginesReport, formatEngines, writeEngines } from './engines-report.js'
import { openCluster } from './harness/cluster.js'
import { currentLoad, describeMachine } from './harness/machine.js'
import { fillTopic } from './harness/topic.js'
import { formatJson, formatTable, type Report, writeReport } from './report.js'
import { formatStalledHead, measureStalledHead, type StalledHeadReport, writeStalledHead } from './stalled-head.js'
import { measureThroughput } from './throughput.js'

interface ThroughputOptions {
  readonly messages: number
  readonly size: number
  readonly runs: number
  readonly partitions: number
  readonly keys: number
  readonly deadline: number
  readonly brokers?: string
  /** Ids of contestants. */
  readonly only?: readonly string[]
  /** A file, or true for stdout. */
  readonly json?: string | true
  readonly report?: string
}

interface StalledHeadOptions {
  readonly messages: number
  readonly size: number
  readonly runs: number
  readonly keys: number
  readonly deadline: number
  readonly brokers?: string
  readonly json?: true
  readonly report?: string
}

interface EnginesOptions {
  readonly messages: number
  readonly runs: number
  readonly perSecond: number
  readonly seconds: number
  readonly deadline: number
  readonly only: readonly EngineId[]
  readonly work: readonly Work[]
  readonly brokers?: string
  readonly json?: true
  readonly report?: string
}

const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`)

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('It takes a whole number from 1.')
  return Number(text)
}

async function measure(benchmark: Benchmark, options: ThroughputOptions): Promise<Report> {
  const loadBefore = currentLoad()
  const startedAt = new Date().toISOString()
  const { contestants, absent } = gatherContestants(benchmark, options.only)
  for (const { label, reason } of absent) say(`NOT MEASURED: ${label}: ${reason}`)
  await using cluster = await openCluster(options.brokers, say)
  const messages = Math.min(options.messages, cluster.capacity(options.size, options.partitions))
  if (messages < options.messages) say(`the cluster keeps no more than ${messages} messages: measuring with those`)

  const shape = { messages, valueBytes: options.size, keys: options.keys, partitions: options.partitions }
  say(`filling a topic with ${messages} messages of ${options.size} B`)
  const { name } = await fillTopic(cluster, shape, tmpdir())
  const outputTopic = `${name}-outputs`
  if (benchmark === 'exactly-once') await cluster.createTopic(outputTopic, options.partitions)
  const workload = { brokers: cluster.brokers, topic: name, outputTopic, messages }
  const plan = { runs: options.runs, deadlineMs: options.deadline * 1000 }
  const outcome = await measureThroughput(contestants, workload, plan, say)
  await cluster.deleteTopic(name)
  if (benchmark === 'exactly-once') await cluster.deleteTopic(outputTopic)

  const versions = outcome.rows.flatMap(({ verification: run }) => ('result' in run ? [run.result.librdkafka] : []))
  const told = versions.filter((version) => version !== undefined)
  const librdkafka = [...new Set(told.length > 0 ? told : [addon.versions().librdkafka])].join(' and ')
  return {
    benchmark,
    startedAt,
    machine: describeMachine(),
    load: { before: loadBefore, after: currentLoad() },
    cluster: cluster.description,
    librdkafka,
    workload: { ...shape, compression: 'lz4' },
    runs: options.runs,
    absent,
    ...outcome,
  }
}

async function run(benchmark: Benchmark, options: ThroughputOptions): Promise<void> {
  const report = await measure(benchmark, options)
  if (options.report !== undefined) await writeReport(options.report, report)
  if (typeof options.json === 'string') await writeFile(options.json, formatJson(report))
  process.stdout.write(options.json === true ? formatJson(report) : formatTable(report))
  const runs = report.rows.flatMap(({ verification, runs }) => [verification, ...runs])
  if (runs.some(({ kind }) => kind !== 'finished')) process.exitCode = 1
}

async function stalledHead(options: StalledHeadOptions): Promise<void> {
  const loadBefore = currentLoad()
  const startedAt = new Date().toISOString()
  await using cluster = await openCluster(options.brokers, say)
  const { messages, size: valueBytes, keys } = options
  if (cluster.capacity(valueBytes, 2) < messages) throw new Error('this cluster does not keep so many messages')
  const { name } = await fillTopic(cluster, { messages, valueBytes, keys, partitions: 2 }, tmpdir())
  const workload = { brokers: cluster.brokers, topic: name, messages }
  const plan = { runs: options.runs, deadlineMs: options.deadline * 1000 }
  const outcome = await measureStalledHead(workload, plan, say)
  await cluster.deleteTopic(name)
  const report: StalledHeadReport = {
    benchmark: 'stalled-head',
    startedAt,
    machine: describeMachine(),
    load: { before: loadBefore, after: currentLoad() },
    cluster: cluster.description,
    workload: { messages, valueBytes, keys },
    ...outcome,
  }
  if (options.report !== undefined) await writeStalledHead(options.report, report)
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatStalledHead(report))
}

async function engines(options: EnginesOptions): Promise<void> {
  const loadBefore = currentLoad()
  const startedAt = new Date().toISOString()
  await using cluster = await openCluster(options.brokers, say)
  const { messages, runs, perSecond, seconds, only, work: works } = options
  // Ratios are to inline.
  const engines = ENGINE_IDS.filter((id) => id === 'inline' || only.includes(id))
  const plan = { engines, works, runs, messages, perSecond, seconds, deadlineMs: options.deadline * 1000 }
  const outcome = await measureEngines(cluster, plan, say)
  const report: EnginesReport = {
    benchmark: 'engines',
    startedAt,
    machine: describeMachine(),
    load: { before: loadBefore, after: currentLoad() },
    cluster: cluster.description,
    plan,
    ...outcome,
  }
  if (options.report !== undefined) await writeEngines(options.report, report)
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatEngines(report))
  if (report.rows.some(({ trouble }) => trouble !== undefined)) process.exitCode = 1
}

function addExactlyOnce(program: Command, benchmark: Benchmark, description: string): void {
  program
    .command(benchmark)
    .description(description)
    .option('--messages <n>', 'messages in the topic', wholeNumber, 500_000)
    .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
    .option('--runs <n>', 'measured rounds, after one that verifies', wholeNumber, 3)
    .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
    .option('--keys <n>', 'keys, uniformly used', wholeNumber, 10_000)
    .option('--deadline <seconds>', 'for one process', wholeNumber, 180)
    .option('--brokers <host:port>', 'a cluster to use (default: a Kafka broker started for the run)')
    .option('--only <ids...>', `only these contestants: ${CONTESTANT_IDS[benchmark].join(', ')}`)
    .option('--json [file]', 'one JSON document, to the file or to stdout instead of the table')
    .option('--report <folder>', `also write ${benchmark}.json, .md and .svg there`)
    .action((options: ThroughputOptions) => run(benchmark, options))
}

export function addEarlierCommands(program: Command): void {
  addExactlyOnce(program, 'exactly-once', 'what transactions cost where each message becomes one output')
  program
    .command('stalled-head')
    .description('throughput of other keys and other partitions behind a message that never ends')
    .option('--messages <n>', 'messages in the topic', wholeNumber, 2_000_000)
    .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
    .option('--runs <n>', 'measured rounds, each with and without the stalled message', wholeNumber, 7)
    .option('--keys <n>', 'keys, uniformly used', wholeNumber, 10_000)
    .option('--deadline <seconds>', 'for one process', wholeNumber, 180)
    .option('--brokers <host:port>', 'a cluster to use (default: a Kafka broker started for the run)')
    .option('--json', 'one JSON document to stdout instead of the table')
    .option('--report <folder>', 'also write stalled-head.json and .md there')
    .action(stalledHead)

  program
    .command('engines')
    .description('messages/s, added latency and CPU of each engine, as ratios to inline within one run')
    .option('--messages <n>', 'messages of a drain without work; the others drain a share of it', wholeNumber, 200_000)
    .option('--runs <n>', 'measured rounds, after one that verifies', wholeNumber, 3)
    .option('--per-second <n>', 'messages/s at which latency is measured', wholeNumber, 1_000)
    .option('--seconds <n>', 'for so long', wholeNumber, 4)
    .option('--deadline <seconds>', 'for one process', wholeNumber, 120)
    .option('--brokers <host:port>', 'a cluster to use (default: a Kafka broker started for the run)')
    .addOption(
      new Option('--only <engines...>', 'only these, beside inline').choices(ENGINE_IDS).default([...ENGINE_IDS]),
    )
    .addOption(new Option('--work <works...>', 'only these').choices(WORKS).default([...WORKS]))
    .option('--json', 'one JSON document to stdout instead of the table')
    .option('--report <folder>', 'also write engines.json and .md there')
    .action(engines)
}
