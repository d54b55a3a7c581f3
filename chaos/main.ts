/**
 * `npm run chaos -- --minutes M [--seed S] [--engine inline|worker-threads|processes]`: a group of consumer processes on a real broker goes through crashes, stops,
 * cuts, restarts and rebalances of each protocol; a checker then proves from ledgers what was promised. Progress goes to
 * stderr, the table to stdout; its last line counts the properties that held.
 */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { brokerAvailability, startBroker } from '../test/broker/broker.js'
import { sourceFile } from '../test/broker/package-root.js'
import type { Verdict } from './checker.js'
import { checkFolder, type PhaseResult, runPhase } from './phase.js'
import { TcpProxy } from './proxy.js'
import { BROKER_PROPERTIES, ENGINE_NAMES, type EngineName, PROTOCOL_NAMES, type Protocol } from './settings.js'
import { closingLine, countOf, formatJson, formatTable, formatVerdict, type RunResult } from './summary.js'

interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  readonly engine: EngineName
  readonly rate: number
  readonly members: number
  readonly topic: string
  readonly only: readonly Protocol[]
  readonly json?: string
  readonly keep?: boolean
  readonly check?: string
}

const MS_PER_MINUTE = 60_000
const BROKER_LOG_LINES = 20_000

const say = (line: string): void => void process.stderr.write(`chaos: ${line}\n`)

function positive(text: string): number {
  const number = Number(text)
  if (!(number > 0 && number <= 10_000)) throw new InvalidArgumentError('It takes a number above 0.')
  return number
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a whole number.')
  return Number(text)
}

async function runPhases(options: ChaosOptions, folder: string): Promise<PhaseResult[]> {
  await using proxy = await TcpProxy.listen()
  say('starting a Kafka broker')
  await using broker = await startBroker({ proxyPort: proxy.port, properties: BROKER_PROPERTIES })
  proxy.forwardTo(broker.proxiedPort ?? 0)
  const { seed, engine, rate, members, topic } = options
  const durationMs = Math.round((options.minutes * MS_PER_MINUTE) / options.only.length)
  const results: PhaseResult[] = []
  for (const protocol of options.only) {
    const plan = { protocol, engine, seed, durationMs, rate, members, topic, folder: join(folder, protocol) }
    results.push(await runPhase(plan, broker, proxy, say))
    // What a group did not tell its members may stand there.
    await writeFile(join(plan.folder, 'broker.log'), broker.logTail(BROKER_LOG_LINES))
  }
  return results
}

/** Also the exit code. */
function close(verdicts: readonly Verdict[]): void {
  process.stdout.write(`\n${closingLine(verdicts)}\n`)
  if (countOf(verdicts).failed > 0) process.exitCode = 1
}

async function chaos(options: ChaosOptions): Promise<void> {
  if (options.check !== undefined) {
    const verdict = checkFolder(options.check)
    process.stdout.write(formatVerdict(verdict))
    return close([verdict])
  }
  const availability = await brokerAvailability()
  if (!availability.available) throw new Error(`no broker: ${availability.reason}`)
  const folder = join(sourceFile('package.json'), '..', 'build', 'chaos', `${options.seed}-${options.engine}`)
  await rm(folder, { recursive: true, force: true })
  const startedAt = new Date().toISOString()
  const begin = performance.now()
  say(`seed ${options.seed}; ledgers in ${folder}`)
  const phases = await runPhases(options, folder)
  const run: RunResult = { seed: options.seed, startedAt, durationMs: performance.now() - begin, phases }
  if (options.json !== undefined) await writeFile(options.json, formatJson(run))
  process.stdout.write(formatTable(run))
  const verdicts = phases.map(({ verdict }) => verdict)
  const isKept = options.keep === true || countOf(verdicts).failed > 0
  if (isKept) process.stdout.write(`\nledgers: ${folder}\n`)
  else await rm(folder, { recursive: true, force: true })
  close(verdicts)
}

const program = new Command('chaos')
  .description('Chaos on a real broker: what laneway promises, proved from ledgers.')
  .option('--minutes <m>', 'of faults, shared by the protocols; starting and draining come on top', positive, 2)
  .option('--seed <s>', 'the same seed gives the same schedule of faults', wholeNumber, Date.now() % 1_000_000)
  .addOption(new Option('--engine <name>', 'where handlers run').choices(ENGINE_NAMES).default('inline'))
  .option('--rate <n>', 'messages a second', positive, 800)
  .option('--members <n>', 'processes that are always in the group', wholeNumber, 4)
  .option('--topic <name>', "begins the topics' names", 'laneway.chaos')
  .addOption(new Option('--only <protocols...>', 'only these').choices(PROTOCOL_NAMES).default([...PROTOCOL_NAMES]))
  .option('--json <file>', 'also write one JSON document there')
  .option('--keep', 'keep the ledgers of a good run, too')
  .option('--check <folder>', "only check one phase's kept ledgers again")
  .action(chaos)

program.parseAsync().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.stdout.write('0 passed, 1 failed\n')
  process.exitCode = 1
})
