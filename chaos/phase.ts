/**
 * One phase of a run: a topic and a group of its own, one way to rebalance, messages at a steady rate, and the faults of
 * the schedule. It ends when the group has handled everything that was produced; then the ledgers are checked.
 */
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../test/broker/broker.js'
import { attributed } from './attribution.js'
import { Checker, type Verdict } from './checker.js'
import { Faults } from './faults.js'
import { LedgerWriter, ledgerPath, ledgersIn } from './ledger.js'
import { Members } from './members.js'
import { observe, type Progress } from './observation.js'
import { Production } from './production.js'
import type { TcpProxy } from './proxy.js'
import { type ScheduledFault, scheduleOf } from './schedule.js'
import {
  type EngineName,
  EVENT_MS,
  LEARNING_MS,
  PARTITIONS,
  type Protocol,
  REBALANCE_TIMEOUT_MS,
  SESSION_TIMEOUT_MS,
} from './settings.js'

export interface PhasePlan {
  readonly protocol: Protocol
  readonly engine: EngineName
  readonly seed: number
  /** Of the faults; draining comes on top. */
  readonly durationMs: number
  /** Messages a second. */
  readonly rate: number
  readonly members: number
  /** The phase's topic is named after it. */
  readonly topic: string
  /** Where the ledgers go. */
  readonly folder: string
}

export interface PhaseResult {
  readonly protocol: Protocol
  readonly faults: readonly ScheduledFault[]
  readonly verdict: Verdict
  readonly durationMs: number
}

const OBSERVE_MS = 1_000
const PROGRESS_MS = 5_000
/** Without any progress; a slow machine may take its time, a stuck group not. */
const DRAIN_DEADLINE_MS = 60_000

/** What the driver knows of a phase while it runs. */
class Watch {
  progress: Progress = { partitions: [] }

  get committed(): number {
    return this.progress.partitions.reduce((sum, { offset }) => sum + Math.max(0, offset), 0)
  }

  get backlog(): number {
    return this.progress.partitions.reduce((sum, { offset, logEnd }) => sum + logEnd - Math.max(0, offset), 0)
  }

  isDrained(produced: number): boolean {
    return this.progress.partitions.length > 0 && this.backlog === 0 && this.committed === produced
  }
}

class Phase {
  readonly #plan: PhasePlan
  readonly #broker: Broker
  readonly #ledger: LedgerWriter
  readonly #members: Members
  readonly #production: Production
  readonly #faults: Faults
  readonly #watch = new Watch()
  readonly #say: (line: string) => void
  readonly schedule: readonly ScheduledFault[]
  #over = false

  constructor(plan: PhasePlan, broker: Broker, proxy: TcpProxy, say: (line: string) => void) {
    const { seed, protocol, engine, rate, folder } = plan
    this.#plan = plan
    this.#broker = broker
    this.#say = say
    this.#ledger = new LedgerWriter(ledgerPath(folder, 'driver'))
    const bootstrapServers = `127.0.0.1:${proxy.port}`
    this.#members = new Members(
      { seed, protocol, engine, bootstrapServers, topic: this.#topic, group: this.#topic },
      folder,
      this.#ledger,
    )
    const production = { bootstrapServers: broker.bootstrapServers, topic: this.#topic, phase: protocol, seed, rate }
    this.#production = new Production(production, this.#ledger)
    this.schedule = scheduleOf(plan)
    this.#faults = new Faults({ members: this.#members, broker, proxy, ledger: this.#ledger }, this.schedule)
  }

  async run(): Promise<void> {
    await this.#broker.createTopic(this.#topic, { partitions: PARTITIONS })
    for (let slot = 0; slot < this.#plan.members; slot += 1) this.#members.start(slot)
    const watching = [this.#keepObserving(), this.#keepTelling()]
    try {
      const producing = this.#production.run(() => this.#watch.backlog)
      // Looked at below; a fault that fails first must not make it unhandled.
      producing.catch(() => undefined)
      await this.#faults.run()
      this.#production.stop()
      await producing
      await this.#drain()
    } finally {
      this.#over = true
      await Promise.all(watching)
      await this.#members.closeAll()
    }
    await this.#observe()
    this.#ledger.close()
  }

  get #topic(): string {
    return `${this.#plan.topic}.${this.#plan.protocol}`
  }

  /** A deadline that passes is the checker's to judge. */
  async #drain(): Promise<void> {
    const { produced } = this.#production
    let committed = -1
    let giveUpAt = 0
    while (!this.#watch.isDrained(produced)) {
      const now = performance.now()
      if (this.#watch.committed !== committed) giveUpAt = now + DRAIN_DEADLINE_MS
      else if (now > giveUpAt) break
      committed = this.#watch.committed
      await sleep(OBSERVE_MS / 4)
    }
    const { partitions } = this.#watch.progress
    this.#ledger.write({ event: 'drained', partitions: partitions.map((each) => ({ ...each })) })
  }

  async #keepObserving(): Promise<void> {
    while (!this.#over) {
      await this.#observe()
      await sleep(OBSERVE_MS)
    }
  }

  async #observe(): Promise<void> {
    const progress = await observe(this.#broker.bootstrapServers, this.#topic, this.#ledger)
    if (progress !== undefined) this.#watch.progress = progress
  }

  async #keepTelling(): Promise<void> {
    const startedAt = performance.now()
    let toldAt = startedAt
    while (!this.#over) {
      await sleep(OBSERVE_MS / 4)
      if (performance.now() - toldAt < PROGRESS_MS) continue
      toldAt = performance.now()
      const seconds = Math.round((toldAt - startedAt) / 1000)
      const { committed, backlog } = this.#watch
      const counts = `${this.#production.produced} produced, ${committed} committed, ${backlog} behind`
      const faults = `${this.#faults.begun} of ${this.schedule.length} faults`
      this.#say(`${this.#plan.protocol} ${seconds} s: ${counts}; ${this.#members.running} members, ${faults}`)
    }
  }
}

/** Checks the ledgers of one phase, also later and again. */
export function checkFolder(folder: string): Verdict {
  const timing = {
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
    learningMs: LEARNING_MS,
    eventMs: EVENT_MS,
  }
  return new Checker(attributed(ledgersIn(folder)), timing).check()
}

export async function runPhase(
  plan: PhasePlan,
  broker: Broker,
  proxy: TcpProxy,
  say: (line: string) => void,
): Promise<PhaseResult> {
  const startedAt = performance.now()
  await mkdir(plan.folder, { recursive: true })
  const phase = new Phase(plan, broker, proxy, say)
  say(`${plan.protocol}: ${plan.members} members, ${phase.schedule.length} faults in ${plan.durationMs / 1000} s`)
  await phase.run()
  say(`${plan.protocol}: checking the ledgers`)
  const verdict = checkFolder(plan.folder)
  return { protocol: plan.protocol, faults: phase.schedule, verdict, durationMs: performance.now() - startedAt }
}
