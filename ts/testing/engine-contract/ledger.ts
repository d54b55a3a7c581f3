/**
 * What the obedient handlers wrote, read as runs, and the order that holds for every engine (P2): the runs of a lane
 * follow one another without overlap, attempt by attempt, offset by offset.
 *
 * The file's order is the order of what happened, whoever wrote: a handler notes its end before it is settled, and what
 * follows in its lane starts after that. Where workers may die, a run may have no end, and what a worker had ended without
 * being heard is repeated; then that worker writes nothing any more once its lane goes on.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { LedgerLine } from '../obedient-handler.js'
import { broken } from './broken.js'

/** One attempt of one message, as its handler saw it. */
export interface Run extends LedgerLine {
  readonly lane: string
  /** Of its first line, in the file. */
  readonly startedAt: number
  /** Of its last line; undefined where there is none. */
  endedAt: number | undefined
  isCancelled: boolean
}

const ORDER = 'the messages of a lane run one after the other, in their order, attempt by attempt'

export const at = ({ partition, offset }: { readonly partition: number; readonly offset: number }): string =>
  `partition ${partition}, offset ${offset}`
const show = (run: Run): string => `${at(run)} (key ${run.key}, attempt ${run.attempt}, worker ${run.worker})`

/** A message without a key has a lane of its own. */
const laneOf = ({ partition, offset, key }: LedgerLine): string =>
  key === null ? `${partition}#${offset}` : `${partition}/${key}`

/** The runs of one lane, in the order in which they started. */
class Lane {
  readonly runs: Run[] = []

  /**
   * @param dead workers that are known to have died; undefined: none may
   * @returns the last run, where its worker must have died for this one to start
   */
  start(run: Run, dead: ReadonlyMap<string, Run> | undefined): Run | undefined {
    const last = this.runs.at(-1)
    const previous = this.runs.findLast(({ offset }) => offset === run.offset)
    this.runs.push(run)
    const refuse = (): never => broken(ORDER, `${show(run)} came after ${last === undefined ? 'nothing' : show(last)}`)
    const isNext = run.attempt === (previous?.attempt ?? 0) + 1
    // The loss of a worker is an attempt, or none: also of what was to run next, or had ended without being heard.
    const isLater = dead !== undefined && run.attempt >= (previous?.attempt ?? 1)
    if (!isNext && !isLater) refuse()
    if (last === undefined) return undefined
    if (last.endedAt === undefined && dead === undefined) broken(ORDER, `${show(run)} started while ${show(last)} ran`)
    const goesOn = run.offset > last.offset || (run.offset === last.offset && run.attempt > last.attempt)
    if (goesOn) return last.endedAt === undefined ? last : undefined
    const repeated = this.runs.slice(0, -1).filter(({ offset }) => offset >= run.offset)
    if (repeated.some(({ worker }) => worker !== last.worker && dead?.has(worker) !== true)) refuse()
    if (dead === undefined) refuse()
    return last
  }
}

/** @param lines in the order in which they were written */
export class Ledger {
  readonly runs: readonly Run[]
  readonly #byMessage = new Map<string, Run[]>()

  /**
   * @param mayDie workers may be lost while they run
   * @throws LanewayError `CONTRACT_BROKEN` where the order of a lane does not hold
   */
  constructor(lines: readonly LedgerLine[], { mayDie = false }: { readonly mayDie?: boolean } = {}) {
    const runs: Run[] = []
    const lanes = new Map<string, Lane>()
    const open = new Map<string, Run>()
    const dead = new Map<string, Run>()
    for (const [index, line] of lines.entries()) {
      const killed = dead.get(line.worker)
      if (killed !== undefined) broken(ORDER, `${show(killed)} was started elsewhere while its worker still ran`)
      const id = `${line.partition}@${line.offset}@${line.worker}`
      if (line.event !== 'start') {
        const run = open.get(id)
        if (run === undefined) throw new Error(`line ${index + 1} of the ledger ends what has not started`)
        if (line.event === 'cancelled') run.isCancelled = true
        else {
          run.endedAt = index
          open.delete(id)
        }
        continue
      }
      const run: Run = { ...line, lane: laneOf(line), startedAt: index, endedAt: undefined, isCancelled: false }
      const lane = lanes.get(run.lane) ?? new Lane()
      lanes.set(run.lane, lane)
      const lost = lane.start(run, mayDie ? dead : undefined)
      if (lost !== undefined) dead.set(lost.worker, lost)
      open.set(id, run)
      runs.push(run)
      const message = this.#byMessage.get(at(run))
      if (message === undefined) this.#byMessage.set(at(run), [run])
      else message.push(run)
    }
    this.runs = runs
  }

  /** The attempts of a message, in their order. */
  attempts(message: { readonly partition: number; readonly offset: number }): readonly Run[] {
    return this.#byMessage.get(at(message)) ?? []
  }

  /** How many runs there are at once, at most. */
  get mostAtOnce(): number {
    const steps = this.runs.flatMap(({ startedAt, endedAt }) => [
      { at: startedAt, by: 1 },
      ...(endedAt === undefined ? [] : [{ at: endedAt, by: -1 }]),
    ])
    let running = 0
    let most = 0
    for (const { by } of steps.sort((a, b) => a.at - b.at)) {
      running += by
      most = Math.max(most, running)
    }
    return most
  }
}

/** What was written so far; nothing where nobody has written yet. */
export function readLines(file: string): LedgerLine[] {
  if (!existsSync(file)) return []
  const text = readFileSync(file, 'utf8')
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LedgerLine)
}
