/**
 * What is known of each message of one phase: its key, who completed it first, and since when a commit has it as
 * settled. Flat columns by partition, because a long run has millions.
 */
import type { EventOf, Ledger } from './ledger.js'
import type { Epoch } from './ownership.js'

export interface Completion {
  readonly epoch: Epoch
  readonly taken: number
  readonly endedAt: number
  /** Which run of its process completed it. */
  readonly run: number | string
}

interface PartitionLog {
  readonly keys: (string | null)[]
  /** The offset before with the same key; -1: none. */
  readonly previous: number[]
  readonly completions: (Completion | undefined)[]
  /** When a commit was first seen with it as settled; from `knownBelow` on. */
  readonly knownSettledAt: Map<number, number>
  /** Offsets below were seen as committed, by the time of the observation. */
  readonly knownBelow: { readonly offset: number; readonly mono: number }[]
  /** Every offset below is completed. */
  firstUnsettled: number
  highestCommitted: number
  /** Messages that have arrived. */
  arrived: number
  completed: number
  /** Since when there has been something to do and nothing was completed. */
  waitingSince: number
}

function newLog(): PartitionLog {
  return {
    keys: [],
    previous: [],
    completions: [],
    knownSettledAt: new Map(),
    knownBelow: [],
    firstUnsettled: 0,
    highestCommitted: -1,
    arrived: 0,
    completed: 0,
    waitingSince: Number.POSITIVE_INFINITY,
  }
}

export class Messages {
  readonly #logs = new Map<number, PartitionLog>()
  /** Offsets that an epoch has completed itself, by its id. */
  readonly #settledIn = new Map<number, Set<number>>()
  longestStall = 0

  /** @param ledgers all; what was produced is read at once, because a handler may be noted before its message is */
  constructor(ledgers: readonly Ledger[]) {
    for (const { writer, events } of ledgers) {
      if (writer !== 'driver') continue
      const last = new Map<string, number>()
      for (const event of events()) if (event.event === 'produced') this.#learn(event, last)
    }
  }

  get produced(): number {
    return [...this.#logs.values()].reduce((sum, { keys }) => sum + keys.length, 0)
  }

  get completed(): number {
    return [...this.#logs.values()].reduce((sum, { completed }) => sum + completed, 0)
  }

  *counts(): Generator<[partition: number, count: number]> {
    for (const [partition, { keys }] of this.#logs) yield [partition, keys.length]
  }

  *lost(): Generator<{ readonly partition: number; readonly offset: number }> {
    for (const [partition, { keys, completions }] of this.#logs) {
      for (let offset = 0; offset < keys.length; offset += 1) {
        if (completions[offset] === undefined) yield { partition, offset }
      }
    }
  }

  /** undefined: nothing was produced there. */
  keyAt(partition: number, offset: number): string | null | undefined {
    return this.#log(partition).keys[offset]
  }

  previousOfKey(partition: number, offset: number): number {
    return this.#log(partition).previous[offset] ?? -1
  }

  arrived({ partition, keys, mono }: EventOf<'produced'>): void {
    const log = this.#log(partition)
    if (log.arrived === log.completed) log.waitingSince = mono
    log.arrived += keys.length
  }

  begin(epoch: Epoch): void {
    if (!this.#settledIn.has(epoch.id)) this.#settledIn.set(epoch.id, new Set())
  }

  complete(partition: number, offset: number, completion: Completion): void {
    this.begin(completion.epoch)
    this.#settledIn.get(completion.epoch.id)?.add(offset)
    const log = this.#log(partition)
    if (log.completions[offset] !== undefined) return
    log.completions[offset] = completion
    log.completed += 1
    while (log.completions[log.firstUnsettled] !== undefined) log.firstUnsettled += 1
    this.longestStall = Math.max(this.longestStall, completion.endedAt - log.waitingSince)
    log.waitingSince = log.arrived > log.completed ? completion.endedAt : Number.POSITIVE_INFINITY
  }

  /** Nothing more comes: what still waits has waited until now. */
  end(mono: number): void {
    for (const { waitingSince } of this.#logs.values()) {
      if (Number.isFinite(waitingSince)) this.longestStall = Math.max(this.longestStall, mono - waitingSince)
    }
  }

  /** The first one. */
  completion(partition: number, offset: number): Completion | undefined {
    return this.#log(partition).completions[offset]
  }

  /** Completed by the epoch itself, or by anyone before the epoch began. */
  isSettledFor(epoch: Epoch, offset: number): boolean {
    if (this.#settledIn.get(epoch.id)?.has(offset) === true) return true
    const completion = this.completion(epoch.partition, offset)
    return completion !== undefined && completion.endedAt <= epoch.assignedAt
  }

  firstUnsettled(partition: number): number {
    return this.#log(partition).firstUnsettled
  }

  noteCommitted(partition: number, offset: number): void {
    const log = this.#log(partition)
    log.highestCommitted = Math.max(log.highestCommitted, offset)
  }

  highestCommitted(partition: number): number {
    return this.#log(partition).highestCommitted
  }

  noteSettled(partition: number, offset: number, mono: number): void {
    const known = this.#log(partition).knownSettledAt
    if (!known.has(offset)) known.set(offset, mono)
  }

  noteSettledBelow(partition: number, offset: number, mono: number): void {
    const { knownBelow, knownSettledAt } = this.#log(partition)
    const last = knownBelow.at(-1)?.offset ?? 0
    if (offset <= last) return
    knownBelow.push({ offset, mono })
    // Bounded by what is above the offset.
    for (const each of knownSettledAt.keys()) if (each < last) knownSettledAt.delete(each)
  }

  /** Whether a commit was seen before `mono` that has the offset as settled. */
  wasKnownSettled(partition: number, offset: number, mono: number): boolean {
    const { knownBelow, knownSettledAt } = this.#log(partition)
    if ((knownSettledAt.get(offset) ?? Number.POSITIVE_INFINITY) < mono) return true
    const first = knownBelow.find((each) => each.offset > offset)
    return first !== undefined && first.mono < mono
  }

  #learn({ partition, from, keys }: EventOf<'produced'>, last: Map<string, number>): void {
    const log = this.#log(partition)
    for (const [index, key] of keys.entries()) {
      const offset = from + index
      log.keys[offset] = key
      const name = `${partition}/${key}`
      log.previous[offset] = key === null ? -1 : (last.get(name) ?? -1)
      if (key !== null) last.set(name, offset)
    }
  }

  #log(partition: number): PartitionLog {
    let log = this.#logs.get(partition)
    if (log === undefined) {
      log = newLog()
      this.#logs.set(partition, log)
    }
    return log
  }
}
