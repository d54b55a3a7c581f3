/**
 * Who owned which partition when, and what disturbed whom: the checker's first reading of the ledgers.
 *
 * An epoch is one assignment of a partition to one process. It begins with the process's `assigned` line and ends with
 * its `revoked` line (in order, or `lost`) or with the process. The group may have ended it before: as the group sees
 * it, it ends when another member is assigned the partition. A process learns of that late when it was stopped, cut off
 * or without a broker; those times are the disturbances here. All times are µs.
 */
import { type EventOf, type FaultKind, type Ledger, US_PER_MS } from './ledger.js'

export interface Span {
  readonly from: number
  readonly to: number
}

export type EpochEnd = 'revoked' | 'lost' | 'died' | 'open'

export interface Epoch {
  /** Dense. */
  readonly id: number
  readonly member: string
  readonly partition: number
  readonly number: number
  assignedAt: number
  /** What the member read as the group's offset; -1: there was none, or it could not be read. */
  readonly committed: number
  endedAt: number
  end: EpochEnd
}

/** What is known of one process besides its handlers. */
export interface Life {
  closing: EventOf<'closing'> | undefined
  /** When a fault killed it. */
  killedAt: number | undefined
  exited: EventOf<'exited'> | undefined
  ended: EventOf<'ended'> | undefined
  /** Times in which it could not hear from its group. */
  readonly disturbances: Span[]
  readonly warnings: EventOf<'warning'>[]
  /** Times without an answer from its group, after which it gave its session up. */
  readonly silences: Span[]
}

/** A delay is none: it is far below every timeout, and must excuse nothing. */
const SILENCING: ReadonlySet<FaultKind> = new Set([
  'long-stop',
  'short-stop',
  'cut',
  'cut-all',
  'broker-restart',
  'broker-crash',
])

function newLife(): Life {
  return {
    closing: undefined,
    killedAt: undefined,
    exited: undefined,
    ended: undefined,
    disturbances: [],
    warnings: [],
    silences: [],
  }
}

export class Ownership {
  readonly epochs: Epoch[] = []
  readonly lives: ReadonlyMap<string, Life>
  readonly #byName = new Map<string, Epoch>()
  readonly #byPartition = new Map<number, Epoch[]>()
  /** Of everybody. */
  readonly #disturbances: Span[] = []

  /**
   * @param ledgers of one phase; the driver's is called `driver`
   * @param eventUs what an event may take to its ledger
   */
  constructor(ledgers: readonly Ledger[], eventUs: number) {
    const members = ledgers.filter(({ writer }) => writer !== 'driver')
    this.lives = new Map(members.map(({ writer }) => [writer, newLife()]))
    for (const ledger of members) this.#readMember(ledger)
    for (const ledger of ledgers) if (ledger.writer === 'driver') this.#readDriver(ledger)
    for (const epochs of this.#byPartition.values()) this.#putInOrder(epochs, eventUs)
  }

  find(member: string, partition: number, number: number): Epoch | undefined {
    return this.#byName.get(`${member}/${partition}/${number}`)
  }

  /** In the order of their assignment. */
  of(partition: number): readonly Epoch[] {
    return this.#byPartition.get(partition) ?? []
  }

  /** The last epoch that was assigned after this one and not after `at`. */
  successor(epoch: Epoch, at: number): Epoch | undefined {
    return this.of(epoch.partition).findLast((each) => {
      return each !== epoch && each.assignedAt > epoch.assignedAt && each.assignedAt <= at
    })
  }

  /** What kept the member from hearing from its group at some time in the span. */
  disturbances(member: string, { from, to }: Span): Span[] {
    const own = this.lives.get(member)?.disturbances ?? []
    return [...this.#disturbances, ...own].filter((each) => each.from <= to && each.to >= from)
  }

  /** One that was given up in order at about the time at which another began came before it, and was noted late. */
  #putInOrder(epochs: Epoch[], eventUs: number): void {
    for (const brief of epochs) {
      const isFollower = (each: Epoch) =>
        each.member !== brief.member && each.assignedAt < brief.assignedAt && each.endedAt > brief.endedAt
      const follower = epochs.find((each) => isFollower(each) && brief.endedAt <= each.assignedAt + eventUs)
      if (brief.end === 'revoked' && follower !== undefined) brief.assignedAt = follower.assignedAt - 1
    }
    epochs.sort((a, b) => a.assignedAt - b.assignedAt)
  }

  #readMember({ writer, events }: Ledger): void {
    const life = this.#life(writer)
    const current = new Map<number, Epoch>()
    for (const event of events()) {
      switch (event.event) {
        case 'assigned':
          for (const each of event.partitions) {
            const at = { partition: each.partition, number: each.epoch }
            current.set(each.partition, this.#begin(writer, at, event.mono, each.committed))
          }
          break
        case 'revoked':
          for (const partition of event.partitions) {
            const epoch = current.get(partition)
            if (epoch === undefined) continue
            epoch.endedAt = event.mono
            epoch.end = event.lost ? 'lost' : 'revoked'
            current.delete(partition)
          }
          break
        case 'closing':
          life.closing ??= event
          break
        case 'ended':
          life.ended = event
          break
        case 'warning':
          life.warnings.push(event)
          break
        case 'session-timed-out':
          life.silences.push({ from: event.mono - event.silentMs * US_PER_MS, to: event.mono })
      }
    }
  }

  #begin(member: string, at: { partition: number; number: number }, assignedAt: number, committed: number): Epoch {
    const { partition, number } = at
    const id = this.epochs.length
    const epoch: Epoch = {
      id,
      member,
      partition,
      number,
      assignedAt,
      committed,
      endedAt: Number.POSITIVE_INFINITY,
      end: 'open',
    }
    this.epochs.push(epoch)
    this.#byName.set(`${member}/${partition}/${number}`, epoch)
    const others = this.#byPartition.get(partition)
    if (others === undefined) this.#byPartition.set(partition, [epoch])
    else others.push(epoch)
    return epoch
  }

  #readDriver({ events }: Ledger): void {
    const begun = new Map<number, number>()
    const disturbed = (member: string | null, span: Span) => {
      if (member === null) this.#disturbances.push(span)
      else this.#life(member).disturbances.push(span)
    }
    const open = new Map<number, string | null>()
    for (const event of events()) {
      if (event.event === 'exited') this.#ends(event)
      if (event.event !== 'fault') continue
      if (event.kind === 'kill' && event.phase === 'begins') this.#life(event.member ?? '').killedAt = event.mono
      if (!SILENCING.has(event.kind)) continue
      if (event.phase === 'begins') {
        begun.set(event.fault, event.mono)
        open.set(event.fault, event.member)
      } else {
        disturbed(event.member, { from: begun.get(event.fault) ?? event.mono, to: event.mono })
        open.delete(event.fault)
      }
    }
    for (const [fault, member] of open) {
      disturbed(member, { from: begun.get(fault) ?? 0, to: Number.POSITIVE_INFINITY })
    }
  }

  #ends(event: EventOf<'exited'>): void {
    this.#life(event.member).exited = event
    for (const epoch of this.epochs) {
      if (epoch.member !== event.member || epoch.end !== 'open') continue
      epoch.end = 'died'
      epoch.endedAt = event.mono
    }
  }

  #life(member: string): Life {
    const life = this.lives.get(member)
    if (life === undefined) throw new Error(`the driver's ledger names ${member}, which has no ledger of its own`)
    return life
  }
}
