/**
 * The rounds of one case: every contestant handles the same messages, in turns whose order is balanced, so that a slow
 * minute of the machine falls on all alike.
 *
 * Round 0 does not count: it checks everyone's ledger, and shows who is too slow for the whole topic. Those get a topic
 * with a tenth of the messages and the same shape, or less. A ledger slows a fast contestant down: who looks too slow with
 * one is timed without. Where handlers wait or use the CPU, every round is checked.
 */
import type { Contestant } from '../contestants/registry.js'
import type { Result, Work } from '../contestants/task.js'
import { type Order, type Run, runContestant } from './contestant-run.js'
import { balancedOrder } from './statistics.js'
import type { TopicShape } from './topic.js'
import type { Topics } from './topics.js'

export interface Case {
  readonly title: string
  /** With the most messages that a contestant handles in a run. */
  readonly shape: TopicShape
  readonly work: Work
  readonly concurrency: number
}

export interface Plan {
  readonly brokers: string
  readonly topics: Topics
  readonly folder: string
  readonly runs: number
  /** For one process. */
  readonly deadlineMs: number
  /** A run that would take longer gets fewer messages. */
  readonly patienceSeconds: number
  say(line: string): void
}

/** A contestant on the topic of the case, or on its uncompressed copy. */
export interface Entry {
  readonly contestant: Contestant
  readonly label: string
  readonly compression: 'lz4' | 'none'
}

export interface Round {
  readonly round: number
  readonly run: Run
}

export interface Tally {
  readonly entry: Entry
  /** In the rounds that count; undefined where round 0 did not end. */
  readonly messages: number | undefined
  readonly verification: Run
  readonly rounds: readonly Round[]
}

/** What contestants verify on, and fall back to, as shares of the messages. */
const SHARES = [1, 1 / 10, 1 / 100, 1 / 1000]
const LEAST_MESSAGES = 100
/** Who does not end a verification in so many patiences, with all that comes before its first message, is tried on fewer. */
const VERIFICATION_PATIENCES = 2

/** Whoever cannot read lz4 gets an uncompressed copy of the topic; `beside` are then measured on that one too. */
export function entriesOf(contestants: readonly Contestant[], { shape }: Case, beside: readonly string[]): Entry[] {
  const compression = shape.compression ?? 'lz4'
  const own = contestants.map((contestant): Entry => {
    const { label, lz4 } = contestant
    if (compression === 'none' || lz4) return { contestant, label, compression }
    return { contestant, label: `${label}, uncompressed`, compression: 'none' }
  })
  if (own.every((entry) => entry.compression === compression)) return own
  const copies = own
    .filter(({ contestant }) => beside.includes(contestant.id))
    .map((entry): Entry => ({ ...entry, label: `${entry.label}, uncompressed`, compression: 'none' }))
  return [...own, ...copies]
}

export async function runRounds(entries: readonly Entry[], one: Case, plan: Plan): Promise<Tally[]> {
  await warmUp(entries, one, plan)
  const tallies: (Tally & { readonly rounds: Round[] })[] = []
  for (const entry of entries) tallies.push({ ...(await verify(entry, one, plan)), rounds: [] })
  for (let round = 1; round <= plan.runs; round += 1) {
    for (const { entry, messages, rounds } of balancedOrder(tallies, round - 1)) {
      // Who hangs once is not given a deadline per round.
      if (messages === undefined || rounds.some(({ run }) => run.kind === 'hung')) continue
      const run = await runOnce(entry, one, plan, messages, isAlwaysChecked(one))
      plan.say(`${one.title}  round ${round} of ${plan.runs}  ${entry.label}: ${describe(run)}`)
      rounds.push({ round, run })
    }
  }
  return tallies
}

/** A broker that has just started, or filled a topic, is slow at first; who is verified then would get fewer messages. */
async function warmUp([first]: readonly Entry[], one: Case, plan: Plan): Promise<void> {
  if (first === undefined || isAlwaysChecked(one)) return
  const [length] = verificationLengths(first, one)
  if (length !== undefined) await runOnce(first, one, plan, length, false)
}

/** A ledger costs nothing beside such work. */
function isAlwaysChecked({ work }: Case): boolean {
  return work.kind === 'wait' || work.kind === 'spin'
}

async function verify(entry: Entry, one: Case, plan: Plan): Promise<Omit<Tally, 'rounds'>> {
  const { deadlineMs, patienceSeconds, say } = plan
  const patient = { ...plan, deadlineMs: Math.min(deadlineMs, VERIFICATION_PATIENCES * patienceSeconds * 1000) }
  let verification: Run = { kind: 'failed', reason: 'it was not run' }
  const lengths = verificationLengths(entry, one)
  for (const length of lengths) {
    verification = await runOnce(entry, one, length === lengths.at(-1) ? plan : patient, length, true)
    say(`${one.title}  verification  ${entry.label}: ${describe(verification)}`)
    if ('result' in verification) {
      return { entry, messages: await affordable(entry, one, patient, length, verification.result), verification }
    }
    // Fewer messages help who is slow, not who fails.
    if (verification.kind === 'failed') break
  }
  return { entry, messages: undefined, verification }
}

/** For how many messages there is patience, after a verification with so many. A ledger slows fast contestants down. */
async function affordable(entry: Entry, one: Case, plan: Plan, verifiedOn: number, verified: Result) {
  const fitting = ({ seconds, firstMessageSeconds }: Result): number | undefined => {
    const perMessage = (seconds - firstMessageSeconds) / verifiedOn
    const fits = (messages: number) => firstMessageSeconds + messages * perMessage <= plan.patienceSeconds
    return lengthsOf(one).find(fits) ?? lengthsOf(one).at(-1)
  }
  const messages = fitting(verified)
  if (messages === one.shape.messages || isAlwaysChecked(one)) return messages
  const unchecked = await runOnce(entry, one, plan, verifiedOn, false)
  return 'result' in unchecked ? fitting(unchecked.result) : messages
}

/** What is tried, longest first: not all messages, and fewer where waits come one after the other, slow for sure. */
function verificationLengths({ contestant }: Entry, one: Case): number[] {
  const lengths = lengthsOf(one)
  const first = one.work.kind === 'wait' && !contestant.concurrent ? 2 : 1
  return lengths.slice(Math.min(first, lengths.length - 1))
}

/** Longest first. */
function lengthsOf({ shape: { messages } }: Case): number[] {
  const lengths = SHARES.map((share) => Math.max(Math.round(messages * share), Math.min(messages, LEAST_MESSAGES)))
  return [...new Set(lengths)]
}

async function runOnce(entry: Entry, one: Case, plan: Plan, messages: number, isChecked: boolean): Promise<Run> {
  const { brokers, deadlineMs, folder } = plan
  const topic = await plan.topics.get({ ...one.shape, messages, compression: entry.compression })
  const { work, concurrency } = one
  const order: Order = { brokers, topic, work, concurrency, isChecked, deadlineMs, folder }
  return runContestant(entry.contestant, order)
}

function describe(run: Run): string {
  if (!('result' in run)) return `${run.kind.toUpperCase()}: ${run.reason}`
  const { messages, seconds } = run.result
  const speed = `${Math.round(messages / seconds).toLocaleString('en')} messages/s`
  return run.kind === 'wrong' ? `WRONG: ${run.reason}; ${speed}` : speed
}
