/**
 * A contestant's process on one task, for scenarios that look at it while it runs: its memory and files as Linux tells them,
 * its first message, its ledger, and its end, by itself or by a kill.
 */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { nowMicros } from '../contestants/ledger-writer.js'
import type { Contestant } from '../contestants/registry.js'
import { FIRST_MESSAGE_LINE, parseResult, type Result, type Task } from '../contestants/task.js'
import { type Ledger, readLedger } from './ledger.js'
import { type Ending, type LiveProcess, startProcess } from './live-process.js'
import { ProcessSampler, type Sample } from './process-samples.js'

/** What is the same for every contestant of a case, and how it is watched. */
export interface Assignment
  extends Pick<Task, 'brokers' | 'topic' | 'messages' | 'work' | 'concurrency' | 'deadlineMs'> {
  /** For the ledger. */
  readonly folder: string
  /** Of its own where absent. */
  readonly group?: string
  /** 'end' where absent. */
  readonly flush?: Task['flush']
  /** How often the process is looked at; absent: not at all. */
  readonly sampleMs?: number
}

export interface ContestantRun {
  /** Of the process, in µs since the epoch. */
  readonly startedAt: number
  readonly result: Result
  readonly handled: Ledger
  readonly samples: readonly Sample[]
}

/** A contestant ends itself at the deadline, so that none outlives a harness that was killed; else we end it. */
const GRACE_MS = 5_000

export class ContestantProcess implements AsyncDisposable {
  readonly startedAt = nowMicros()
  /** The file. */
  readonly ledger: string
  readonly #label: string
  readonly #process: LiveProcess
  readonly #sampler: ProcessSampler | undefined

  constructor(contestant: Contestant, assignment: Assignment) {
    const { id, label, properties } = contestant
    const { brokers, topic, messages, work, concurrency, deadlineMs, folder, sampleMs } = assignment
    const { group = `bench-${id}-${randomBytes(4).toString('hex')}`, flush = 'end' } = assignment
    this.#label = label
    this.ledger = join(folder, `${group}-${randomBytes(4).toString('hex')}.handled`)
    const { ledger } = this
    const task: Task = { brokers, topic, group, messages, properties, work, concurrency, ledger, flush, deadlineMs }
    this.#process = startProcess(contestant.command(task), deadlineMs + GRACE_MS)
    const { pid } = this.#process
    if (sampleMs !== undefined && pid !== undefined) this.#sampler = new ProcessSampler(pid, sampleMs)
  }

  /** Its end by itself. */
  get ended(): Promise<Ending> {
    return this.#process.ended
  }

  /** Rejects where it ends before. */
  async firstMessage(): Promise<void> {
    await this.#process.line((line) => line === FIRST_MESSAGE_LINE)
  }

  /** @throws Error where it fails, hangs or prints no result */
  async finish(): Promise<ContestantRun> {
    const ending = await this.#process.ended
    const samples = this.#sampler?.stop() ?? []
    if (ending.kind !== 'ended') throw new Error(`${this.#label} ${ending.kind}: ${ending.reason}`)
    const result = ending.lines.map(parseResult).findLast((line) => line !== undefined)
    if (result === undefined) throw new Error(`${this.#label} printed no result: ${ending.lines.at(-1)}`)
    return { startedAt: this.startedAt, result, handled: await readLedger(this.ledger), samples }
  }

  /** As `kill -9`; returns when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill()
    await this.#process.ended
  }

  /** Kills it where it still runs, and removes its ledger. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#sampler?.stop()
    await this.kill()
    await rm(this.ledger, { force: true })
  }
}

/** Runs it to its end. @throws Error where it fails, hangs or prints no result */
export async function watchContestant(contestant: Contestant, assignment: Assignment): Promise<ContestantRun> {
  await using running = new ContestantProcess(contestant, assignment)
  return await running.finish()
}
