/**
 * Which fault meets whom, when and for how long, drawn from the seed before a phase begins: the same seed gives the same
 * schedule.
 *
 * Kinds are dealt from a shuffled deck, so that each comes before any comes again. No member meets two faults at once
 * (members of one group do, and everybody's broker does), and the broker gets time to come back between two of its own.
 */
import type { FaultKind } from './ledger.js'
import { Random } from './random.js'
import { type EngineName, type Protocol, SESSION_TIMEOUT_MS } from './settings.js'

export interface ScheduledFault {
  /** ms after the phase's start. */
  readonly atMs: number
  readonly kind: FaultKind
  /** The member's slot; null where all are met. A `join` fills a slot of its own. */
  readonly slot: number | null
  /** How long the fault lasts; for kills and leaves, until another process takes the slot. */
  readonly durationMs: number
  /** `delay` only: ms on each way. */
  readonly delayMs: number
}

interface Shape {
  readonly target: 'member' | 'newcomer' | 'all' | 'broker'
  readonly leastMs: number
  readonly mostMs: number
}

const SHAPES: Readonly<Record<FaultKind, Shape>> = {
  // Members that have no workers in processes are not met by it.
  'kill-worker': { target: 'member', leastMs: 0, mostMs: 0 },
  kill: { target: 'member', leastMs: 200, mostMs: 1_500 },
  'long-stop': { target: 'member', leastMs: SESSION_TIMEOUT_MS + 1_000, mostMs: SESSION_TIMEOUT_MS + 4_000 },
  'short-stop': { target: 'member', leastMs: 200, mostMs: 1_500 },
  leave: { target: 'member', leastMs: 300, mostMs: 2_000 },
  abort: { target: 'member', leastMs: 300, mostMs: 1_500 },
  join: { target: 'newcomer', leastMs: 4_000, mostMs: 8_000 },
  cut: { target: 'member', leastMs: 200, mostMs: SESSION_TIMEOUT_MS + 3_000 },
  'cut-all': { target: 'all', leastMs: 100, mostMs: 1_000 },
  delay: { target: 'member', leastMs: 2_000, mostMs: 5_000 },
  'broker-restart': { target: 'broker', leastMs: 0, mostMs: 1_000 },
  'broker-crash': { target: 'broker', leastMs: 0, mostMs: 1_000 },
}
/** A round trip takes twice as long: far below every timeout of settings.ts. */
const DELAY_MS = { least: 20, most: 150 }

/** Nothing happens before every member has work. */
const CALM_MS = 4_000
const PAUSE_MS = { least: 600, most: 2_600 }
/** A member that comes back needs time to have work again, or the next fault would meet nobody. */
const RECOVERY_MS = 2_500
const BROKER_RECOVERY_MS = 15_000

export interface SchedulePlan {
  readonly seed: number
  readonly protocol: Protocol
  readonly engine: EngineName
  /** Faults begin and end within it. */
  readonly durationMs: number
  /** Members that are always there; newcomers get the slots above. */
  readonly members: number
}

class Dealer {
  readonly #random: Random
  readonly #plan: SchedulePlan
  /** Until when each slot, and the broker, is busy with its last fault. */
  readonly #busyUntil = new Map<number | 'broker', number>()
  #newcomers = 0

  constructor(plan: SchedulePlan) {
    this.#plan = plan
    this.#random = new Random(plan.seed, 'schedule', plan.protocol)
  }

  deck(): FaultKind[] {
    const kinds = Object.keys(SHAPES) as FaultKind[]
    const hasProcesses = this.#plan.engine === 'processes'
    return this.#random.shuffled(kinds.filter((kind) => kind !== 'kill-worker' || hasProcesses))
  }

  pause(): number {
    return this.#random.between(PAUSE_MS.least, PAUSE_MS.most)
  }

  /** undefined where this kind has nobody to meet now, or would not end in time. */
  deal(kind: FaultKind, atMs: number): ScheduledFault | undefined {
    const { target, leastMs, mostMs } = SHAPES[kind]
    const durationMs = this.#random.between(leastMs, mostMs)
    const delayMs = kind === 'delay' ? this.#random.between(DELAY_MS.least, DELAY_MS.most) : 0
    if (atMs + durationMs > this.#plan.durationMs) return undefined
    const fault = (slot: number | null) => ({ atMs, kind, slot, durationMs, delayMs })
    switch (target) {
      case 'all':
        return fault(null)
      case 'newcomer':
        this.#newcomers += 1
        return fault(this.#plan.members + this.#newcomers - 1)
      case 'broker':
        return this.#isFree('broker', atMs, durationMs + BROKER_RECOVERY_MS) ? fault(null) : undefined
      case 'member': {
        const slots = this.#random.shuffled(Array.from({ length: this.#plan.members }, (_, slot) => slot))
        const slot = slots.find((each) => this.#isFree(each, atMs, durationMs + RECOVERY_MS))
        return slot === undefined ? undefined : fault(slot)
      }
    }
  }

  #isFree(whom: number | 'broker', atMs: number, busyMs: number): boolean {
    if (atMs < (this.#busyUntil.get(whom) ?? 0)) return false
    this.#busyUntil.set(whom, atMs + busyMs)
    return true
  }
}

export function scheduleOf(plan: SchedulePlan): ScheduledFault[] {
  const dealer = new Dealer(plan)
  const faults: ScheduledFault[] = []
  let deck: FaultKind[] = []
  for (let atMs = CALM_MS; atMs < plan.durationMs; atMs += dealer.pause()) {
    if (deck.length === 0) deck = dealer.deck()
    // A kind that cannot come now stays in the deck for the next time.
    for (const [index, kind] of deck.entries()) {
      const fault = dealer.deal(kind, atMs)
      if (fault === undefined) continue
      faults.push(fault)
      deck.splice(index, 1)
      break
    }
  }
  return faults
}
