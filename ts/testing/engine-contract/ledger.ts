/**
 * What the obedient handlers wrote, read as runs, and the order that holds for every engine (P2): the runs of a lane
 * follow one another without overlap, attempt by attempt, offset by offset.
 *
 * The file's order is the order of what happened, whoever wrote: a handler notes its end before it is settled, and what
 * follows in its lane starts after that. A run without an end is of a worker that has died, where workers may: then
 * another run of its message follows, and that worker writes nothing any more.
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

  start(run: Run, mayDie: boolean): Run | undefined {
    const last = this.runs.at(-1)
    this.runs.push(run)
    if (last === undefined) return undefined
    const isOpen = last.endedAt === undefined
    const isAgain = last.offset === run.offset
    if (isOpen && !(mayDie && isAgain)) broken(ORDER, `${show(run)} started while ${show(last)} ran`)
    if (run.offset < last.offset) broken(ORDER, `${show(run)} started after ${show(last)}`)
    // A worker's loss is an attempt, or none, by the engine's own policy.
    const mostAttempt = isAgain ? last.attempt + 1 : 1
    const leastAttempt = isAgain && isOpen ? last.attempt : mostAttempt
    if (run.attempt < leastAttempt || run.attempt > mostAttempt) broken(ORDER, `${show(run)} came after ${show(last)}`)
    return isOpen ? last : undefined
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
      const lost = lane.start(run, mayDie)
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
