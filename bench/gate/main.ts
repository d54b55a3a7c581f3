/**
 * `npm run bench:gate`: has laneway become slower? Ratios to the limit of the same rounds are compared with
 * docs/bench_baselines.json. Ends with status 1 where one has fallen, or has no baseline, or where a message was lost, came
 * twice or out of order; with status 2 where others were too busy for it to say. `--update-baseline --reason TEXT` measures
 * with all its rounds and writes what it finds.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { sourceFile } from '../../test/broker/package-root.js'
import { choicesOf, wholeNumber } from '../command-options.js'
import { PLANT_VARIABLE } from '../contestants/planted.js'
import { openCluster } from '../harness/cluster.js'
import { describeMachine } from '../harness/machine.js'
import { Topics } from '../harness/topics.js'
import { type Baselines, readBaselines, updated, writeBaselines } from './baselines.js'
import { CASES, groupsWith } from './cases.js'
import { type Effort, type GateOutcome, runGate } from './gate.js'
import { newBaselines } from './judge.js'
import { measureRound } from './measure-round.js'
import { conclusion, formatOutcome, resultOf } from './outcome-table.js'

interface GateOptions {
  readonly only: readonly string[]
  readonly updateBaseline?: true
  readonly reason?: string
  readonly plant?: number
  readonly deadline: number
  readonly brokers?: string
  readonly json?: string
}

const CASE_IDS = CASES.map(({ id }) => id)
const EFFORT: Effort = { least: 5, most: 15 }
const STATUS = { passed: 0, failed: 1, undecided: 2 } as const
const BASELINES = sourceFile('docs/bench_baselines.json')

const say = (line: string): void => void process.stderr.write(`bench:gate: ${line}\n`)

function percentage(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value < 100)) throw new InvalidArgumentError('It takes a percentage above 0 and below 100.')
  return value
}

async function measure(
  { only, deadline, brokers }: GateOptions,
  baselines: Baselines['cases'],
  effort: Effort,
): Promise<GateOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-gate-'))
  try {
    await using cluster = await openCluster(brokers, say)
    await using topics = new Topics(cluster, folder, say)
    const ground = {
      brokers: cluster.brokers,
      isAlone: brokers === undefined,
      topics,
      folder,
      deadlineMs: deadline * 1000,
    }
    const groups = groupsWith(only).map((group) => ({
      title: group.title,
      measure: (round: number) => measureRound(group, ground, round),
    }))
    return await runGate(groups, baselines, effort, say)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function update(baselines: Baselines, outcome: GateOutcome, reason: string): Promise<void> {
  const occasion = {
    date: new Date().toISOString(),
    commit: commitOf(dirname(BASELINES)),
    reason,
    machine: thisMachine(),
  }
  await writeBaselines(BASELINES, updated(baselines, newBaselines(outcome.verdicts), occasion))
  process.stdout.write('docs/bench_baselines.json is written\n')
}

function thisMachine(): string {
  const { cpu, cores, system, node } = describeMachine()
  return `${cpu}, ${cores} cores, ${system}, Node ${node}`
}

/** Ratios differ between machines, by their cores above all. */
function warnOfAnotherMachine({ history }: Baselines): void {
  const measuredOn = history.at(-1)?.machine ?? thisMachine()
  if (measuredOn !== thisMachine()) say(`the baselines are of another machine: ${measuredOn}; this is ${thisMachine()}`)
}

/** "-dirty" where there are changes that are not committed. */
function commitOf(folder: string): string {
  return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], {
    cwd: folder,
    encoding: 'utf8',
  }).trim()
}

/** What is measured without faults, and to its end, may become a baseline. */
const isWhole = ({ faults, undecided }: GateOutcome): boolean => faults.length === 0 && undecided.length === 0

async function gate(options: GateOptions): Promise<void> {
  const { updateBaseline, reason, plant, json } = options
  if (updateBaseline && !reason?.trim()) throw new Error('--update-baseline takes --reason: why the baselines change')
  if (updateBaseline && plant) throw new Error('--plant measures what is not so: no baseline comes of it')
  if (reason && !updateBaseline) throw new Error('--reason belongs to --update-baseline')
  if (plant) process.env[PLANT_VARIABLE] = String(plant / 100)
  const baselines = await readBaselines(BASELINES)
  warnOfAnotherMachine(baselines)
  const effort = updateBaseline ? { ...EFFORT, least: EFFORT.most } : EFFORT
  const startedAt = performance.now()
  const outcome = await measure(options, baselines.cases, effort)
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ seconds, ...outcome }, null, 2)}\n`)
  process.stdout.write(formatOutcome(outcome))
  if (updateBaseline && reason && isWhole(outcome)) return update(baselines, outcome, reason)
  process.stdout.write(`${conclusion(outcome)} (${seconds} s)\n`)
  process.exitCode = STATUS[resultOf(outcome)]
}

new Command('bench:gate')
  .description('Fails where laneway has become slower beside the limit, or does not keep its promises.')
  .option('--only <cases>', `only these of ${CASE_IDS.join(',')}`, choicesOf(CASE_IDS), CASE_IDS)
  .option('--update-baseline', 'measure with all rounds, and write their lower quartiles as baselines')
  .option('--reason <text>', 'why the baselines change; it goes into their history')
  .option('--plant <percent>', 'slow laneway down by so much, to see the gate fail', percentage)
  .option('--deadline <seconds>', 'for one process', wholeNumber, 120)
  .option('--brokers <host:port>', 'a cluster to use (default: a Kafka broker started for the run)')
  .option('--json <file>', 'also write the verdicts there')
  .action(gate)
  .parseAsync()
  .catch((error: unknown) => {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  })
