/**
 * The throughput experiment: one topic, every contestant in a process of its own, one after another, in rounds whose
 * order is balanced. Round 0 warms the broker and verifies the order of keys; its figures do not count.
 *
 * Figures that stand alone mean nothing on a shared machine: what counts is the ratio to the C loop of the same round,
 * and of those the median. A contestant that fails, hangs or breaks order stays in the results and says so.
 */
import { randomBytes } from 'node:crypto'
import { parseResult, type Result, type Task } from './contestants/earlier-task.js'
import type { Role } from './contestants/registry.js'
import type { Contestant } from './contestants.js'
import { runProcess } from './harness/live-process.js'
import { balancedOrder, median, type Spread, spread } from './harness/statistics.js'

export interface Workload {
  readonly brokers: string
  readonly topic: string
  readonly outputTopic?: string
  readonly messages: number
}

export interface Plan {
  readonly runs: number
  /** For one process, from its start. */
  readonly deadlineMs: number
}

export type Run =
  | { readonly round: number; readonly kind: 'finished'; readonly result: Result }
  /** Finished, but lost messages or broke the order of a key. */
  | { readonly round: number; readonly kind: 'wrong'; readonly reason: string; readonly result: Result }
  | { readonly round: number; readonly kind: 'failed' | 'hung'; readonly reason: string }

export interface Figures {
  readonly messagesPerSecond: Spread
  readonly cpuMicrosecondsPerMessage: Spread
  readonly peakRssMiB: Spread
}

export interface Row {
  readonly id: string
  readonly label: string
  readonly role: Role
  readonly properties: Readonly<Record<string, string>>
  readonly verification: Run
  readonly runs: readonly Run[]
  /** Of the finished runs; undefined where there are none. */
  readonly figures: Figures | undefined
  /** Ratios of messages/s: medians of the ratios within a round, undefined where no round has both. */
  readonly timesLimit: number | undefined
  /** As `timesLimit`, timed from the first message instead of `subscribe`: joining the group left out. */
  readonly timesLimitAfterJoin: number | undefined
  /** By the id of the peer's row. */
  readonly timesPeers: Readonly<Record<string, number | undefined>>
}

export interface Outcome {
  readonly rows: readonly Row[]
  /** The row that the ratios to the limit are to: the faster C loop. */
  readonly limit: string | undefined
}

/** A contestant ends itself at the deadline, so that none outlives a harness that was killed; else we end it. */
const GRACE_MS = 5_000

interface Tally {
  readonly contestant: Contestant
  readonly verification: Run
  readonly runs: Run[]
}

type Speed = (result: Result) => number
const speed: Speed = ({ messages, seconds }) => messages / seconds
const speedAfterJoin: Speed = ({ messages, seconds, firstMessageSeconds }) => messages / (seconds - firstMessageSeconds)

async function runOnce(contestant: Contestant, workload: Workload, round: number, plan: Plan): Promise<Run> {
  const { brokers, topic, outputTopic, messages } = workload
  const { properties } = contestant
  const { deadlineMs } = plan
  const group = `bench-${contestant.id}-${round}-${randomBytes(4).toString('hex')}`
  const task: Task = { brokers, topic, group, outputTopic, messages, properties, verify: round === 0, deadlineMs }
  const ending = await runProcess(contestant.command(task), deadlineMs + GRACE_MS)
  if (ending.kind !== 'ended') return { round, kind: ending.kind, reason: ending.reason }
  const result = ending.lines.map(parseResult).findLast((line) => line !== undefined)
  if (result === undefined) return { round, kind: 'failed', reason: `it printed no result: ${ending.lines.at(-1)}` }
  const reason = fault(result, messages)
  return reason === undefined ? { round, kind: 'finished', result } : { round, kind: 'wrong', reason, result }
}

function fault(result: Result, messages: number): string | undefined {
  if (result.inversions > 0) return `${result.inversions} messages out of order or twice`
  if (result.messages !== messages) return `${result.messages} messages instead of ${messages}`
  return undefined
}

function describe(run: Run): string {
  if (run.kind !== 'finished') return `${run.kind.toUpperCase()}: ${run.reason}`
  return `${Math.round(speed(run.result)).toLocaleString('en')} messages/s`
}

/** Runs all rounds; `say` gets one line per process. */
export async function measureThroughput(
  contestants: readonly Contestant[],
  workload: Workload,
  plan: Plan,
  say: (line: string) => void,
): Promise<Outcome> {
  const tallies: Tally[] = []
  for (const contestant of contestants) {
    const verification = await runOnce(contestant, workload, 0, plan)
    say(`verification  ${contestant.label}: ${describe(verification)}`)
    tallies.push({ contestant, verification, runs: [] })
  }
  // Who cannot finish once is not given a deadline per round.
  const able = tallies.filter(({ verification }) => 'result' in verification)
  for (let round = 1; round <= plan.runs; round += 1) {
    for (const { contestant, runs } of balancedOrder(able, round - 1)) {
      const run = await runOnce(contestant, workload, round, plan)
      say(`round ${round} of ${plan.runs}  ${contestant.label}: ${describe(run)}`)
      runs.push(run)
    }
  }
  return conclude(tallies)
}

function conclude(tallies: readonly Tally[]): Outcome {
  const medianSpeed = ({ runs }: Tally): number => median(finished(runs).map(speed))
  const limit = withRole(tallies, 'limit')
    .filter(({ runs }) => finished(runs).length > 0)
    .toSorted((a, b) => medianSpeed(b) - medianSpeed(a))[0]
  const peers = withRole(tallies, 'peer')
  return { rows: tallies.map((tally) => toRow(tally, limit, peers)), limit: limit?.contestant.id }
}

function withRole(tallies: readonly Tally[], role: Role): Tally[] {
  return tallies.filter(({ contestant }) => contestant.role === role)
}

function finished(runs: readonly Run[]): Result[] {
  return runs.flatMap((run) => (run.kind === 'finished' ? [run.result] : []))
}

function toRow({ contestant, verification, runs }: Tally, limit: Tally | undefined, peers: readonly Tally[]): Row {
  const { id, label, role, properties } = contestant
  return {
    id,
    label,
    role,
    properties,
    verification,
    runs,
    figures: figuresOf(finished(runs)),
    timesLimit: medianRatio(runs, limit, speed),
    timesLimitAfterJoin: medianRatio(runs, limit, speedAfterJoin),
    timesPeers: Object.fromEntries(peers.map((peer) => [peer.contestant.id, medianRatio(runs, peer, speed)])),
  }
}

function figuresOf(results: readonly Result[]): Figures | undefined {
  const messagesPerSecond = spread(results.map(speed))
  const cpuMicrosecondsPerMessage = spread(results.map(({ cpuSeconds, messages }) => (cpuSeconds / messages) * 1e6))
  const peakRssMiB = spread(results.map(({ maxRssKib }) => maxRssKib / 1024))
  if (!messagesPerSecond || !cpuMicrosecondsPerMessage || !peakRssMiB) return undefined
  return { messagesPerSecond, cpuMicrosecondsPerMessage, peakRssMiB }
}

function medianRatio(runs: readonly Run[], base: Tally | undefined, of: Speed): number | undefined {
  const ratios = runs.flatMap((run) => {
    const other = base?.runs.find(({ round }) => round === run.round)
    return run.kind === 'finished' && other?.kind === 'finished' ? [of(run.result) / of(other.result)] : []
  })
  return ratios.length === 0 ? undefined : median(ratios)
}
