/** One run of one contestant over a filled topic, in a process of its own; how it ended is a value. */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Contestant } from '../contestants/registry.js'
import { parseResult, type Result, type Task, type Work } from '../contestants/task.js'
import { checkLedger, faultsOf, type LedgerFindings, readLedger } from './ledger.js'
import { runProcess } from './live-process.js'
import type { FilledTopic } from './topic.js'

export interface Order {
  readonly brokers: string
  readonly topic: FilledTopic
  readonly work: Work
  readonly concurrency: number
  /** Every handler is noted and the ledger checked; where handlers are empty, that takes longer than they do. */
  readonly isChecked: boolean
  readonly deadlineMs: number
  /** For the ledger, which goes when it has been checked. */
  readonly folder: string
}

interface Finished {
  readonly result: Result
  /** Of a run that was checked. */
  readonly findings?: LedgerFindings
}

export type Run =
  | ({ readonly kind: 'finished' } & Finished)
  /** It ended, and lost messages, repeated some, or broke an order that it claims. */
  | ({ readonly kind: 'wrong'; readonly reason: string } & Finished)
  | { readonly kind: 'failed' | 'hung'; readonly reason: string }

/** A contestant that hangs ends itself at the deadline, with status 1; else we end it. */
const GRACE_MS = 5_000

export async function runContestant(contestant: Contestant, order: Order): Promise<Run> {
  const { topic, work, concurrency, deadlineMs, isChecked } = order
  const group = `bench-${contestant.id}-${randomBytes(4).toString('hex')}`
  const ledger = isChecked ? join(order.folder, `${group}.handled`) : undefined
  const task: Task = {
    brokers: order.brokers,
    topic: topic.name,
    group,
    messages: topic.shape.messages,
    properties: { ...contestant.properties },
    work,
    concurrency,
    ledger,
    flush: 'end',
    deadlineMs,
  }
  const startedAt = performance.now()
  const ending = await runProcess(contestant.command(task), deadlineMs + GRACE_MS)
  if (ending.kind !== 'ended') {
    const endedItself = ending.kind === 'failed' && performance.now() - startedAt >= deadlineMs
    return { kind: endedItself ? 'hung' : ending.kind, reason: ending.reason }
  }
  const result = ending.lines.map(parseResult).findLast((line) => line !== undefined)
  if (result === undefined) return { kind: 'failed', reason: `it printed no result, but: ${ending.lines.at(-1)}` }
  if (ledger === undefined) return countedRun(result, topic)
  const run = await checkedRun(contestant, result, topic, ledger)
  await rm(ledger, { force: true })
  return run
}

function countedRun(result: Result, { shape }: FilledTopic): Run {
  if (result.messages === shape.messages) return { kind: 'finished', result }
  return { kind: 'wrong', reason: `${result.messages} messages instead of ${shape.messages}`, result }
}

async function checkedRun(contestant: Contestant, result: Result, topic: FilledTopic, ledger: string): Promise<Run> {
  try {
    const findings = checkLedger(await readLedger(topic.ledger), await readLedger(ledger))
    const faults = faultsOf(findings, contestant)
    if (faults.length === 0) return { kind: 'finished', result, findings }
    return {
      kind: 'wrong',
      reason: `${faults.join(', ')} of ${findings.messages.toLocaleString('en')}`,
      result,
      findings,
    }
  } catch (error) {
    return { kind: 'failed', reason: `its ledger: ${error instanceof Error ? error.message : error}` }
  }
}
