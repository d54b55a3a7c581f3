/**
 * Ledgers written by hand, for the tests of the checker: what happened to one partition, told with times in ms and in
 * any order. Whoever is named has a ledger; each is put in the order of time.
 */
import { type EventOf, type FaultKind, type Ledger, type LedgerEvent, type NewEvent, US_PER_MS } from './ledger.js'

const PARTITION = 0

/** One run of a handler. */
export interface Told {
  readonly member: string
  readonly epoch?: number
  readonly offset: number
  readonly from: number
  /** Absent: it never ended. */
  readonly to?: number
  /** When its message was taken; default: at `from`. */
  readonly taken?: number
  readonly attempt?: number
  readonly fails?: boolean
  /** What it saw, where that is not what was produced. */
  readonly key?: string | null
  readonly value?: string
}

export class Story {
  readonly #keys: readonly (string | null)[]
  readonly #events = new Map<string, LedgerEvent[]>()
  #runs = 0
  #faults = 0

  /** @param keys of the messages, by offset; all are produced at 0 ms */
  constructor(keys: readonly (string | null)[]) {
    this.#keys = keys
    this.#write('driver', 0, { event: 'produced', partition: PARTITION, from: 0, keys: [...keys] })
  }

  get ledgers(): Ledger[] {
    return [...this.#events].map(([writer, events]) => {
      const inOrder = events.toSorted((a, b) => a.mono - b.mono)
      return { writer, events: () => inOrder }
    })
  }

  assigned(at: number, member: string, epoch: number, committed = -1): this {
    const partition = { partition: PARTITION, epoch, committed, settledAbove: 0, format: 'laneway' }
    return this.#write(member, at, { event: 'assigned', partitions: [partition] })
  }

  run({ member, epoch = 1, offset, from, to, taken = from, attempt = 1, fails = false, ...seen }: Told): this {
    this.#runs += 1
    const { key = this.#keys[offset] ?? null, value = String(offset) } = seen
    const handler = { topic: 't', partition: PARTITION, offset, key, value, epoch, attempt, run: this.#runs }
    const all = { ...handler, taken: taken * US_PER_MS }
    this.#write(member, from, { event: 'start', ...all })
    if (to !== undefined) this.#write(member, to, { event: fails ? 'failed' : 'end', ...all })
    return this
  }

  /** In order; `lost`: the group went on without it. */
  revoked(at: number, member: string, how: 'in order' | 'lost' = 'in order'): this {
    return this.#write(member, at, { event: 'revoked', lost: how === 'lost', partitions: [PARTITION] })
  }

  committed(at: number, member: string, offset: number): this {
    return this.#write(member, at, { event: 'committed', partitions: [{ partition: PARTITION, offset }] })
  }

  warned(at: number, member: string, code: string): this {
    return this.#write(member, at, { event: 'warning', code, message: code })
  }

  timedOut(at: number, member: string, silentMs: number): this {
    return this.#write(member, at, { event: 'session-timed-out', silentMs })
  }

  /** Asked to close, and gone with this exit code. */
  closed(at: number, member: string, { mode = 'drain', exitedAt = at + 1, code = 0 }: Closing = {}): this {
    this.#write(member, at, { event: 'closing', mode, deadlineMs: 2_500 })
    return this.exited(exitedAt, member, code, null)
  }

  exited(at: number, member: string, code: number | null, signal: string | null): this {
    return this.#write('driver', at, { event: 'exited', member, code, signal })
  }

  rejected(at: number, member: string, code: string): this {
    return this.#write(member, at, { event: 'ended', code, message: code })
  }

  planned(faults: number): this {
    return this.#write('driver', 0, { event: 'planned', faults })
  }

  fault(kind: FaultKind, member: string | null, from: number, to: number): this {
    this.#faults += 1
    const fault = { event: 'fault', kind, fault: this.#faults, member } as const
    return this.#write('driver', from, { ...fault, phase: 'begins' }).#write('driver', to, { ...fault, phase: 'ends' })
  }

  killed(at: number, member: string): this {
    return this.fault('kill', member, at, at + 2).exited(at + 1, member, null, 'SIGKILL')
  }

  observed(at: number, offset: number, settled: EventOf<'observed'>['settled'] = []): this {
    return this.#write('driver', at, { event: 'observed', partition: PARTITION, offset, settled })
  }

  drained(at: number, offset: number, logEnd = this.#keys.length): this {
    return this.#write('driver', at, { event: 'drained', partitions: [{ partition: PARTITION, offset, logEnd }] })
  }

  #write(writer: string, atMs: number, event: NewEvent): this {
    const events = this.#events.get(writer) ?? []
    events.push({ ...event, mono: atMs * US_PER_MS, wall: atMs } as LedgerEvent)
    this.#events.set(writer, events)
    return this
  }
}

interface Closing {
  readonly mode?: 'drain' | 'abort'
  readonly exitedAt?: number
  readonly code?: number
}
