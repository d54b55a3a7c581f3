/**
 * Carries out a schedule: each fault at its time, noted in the driver's ledger before it begins and after it has ended.
 *
 * Faults of one slot follow one another even where the machine is slow; all others overlap as they were drawn. Where a
 * broker takes longer to come back than the schedule reckons with, the schedule waits: nothing can be learned from
 * members that have had no group for long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../test/broker/broker.js'
import type { LedgerWriter } from './ledger.js'
import type { Members } from './members.js'
import type { TcpProxy } from './proxy.js'
import type { ScheduledFault } from './schedule.js'

/** From a broker fault's beginning until the schedule waits for its end. */
const BROKER_OUTAGE_MS = 5_000

export interface Scene {
  readonly members: Members
  readonly broker: Broker
  readonly proxy: TcpProxy
  readonly ledger: LedgerWriter
}

interface Outage {
  readonly since: number
  readonly over: Promise<void>
}

export class Faults {
  readonly #scene: Scene
  readonly #schedule: readonly ScheduledFault[]
  readonly #queues = new Map<string, Promise<void>>()
  #outage: Outage | undefined
  begun = 0

  constructor(scene: Scene, schedule: readonly ScheduledFault[]) {
    this.#scene = scene
    this.#schedule = schedule
  }

  /** Resolves when every fault has ended. A fault that cannot be carried out rejects. */
  async run(): Promise<void> {
    this.#scene.ledger.write({ event: 'planned', faults: this.#schedule.length })
    const running: Promise<void>[] = []
    let startedAt = performance.now()
    for (const [number, fault] of this.#schedule.entries()) {
      await sleep(Math.max(0, startedAt + fault.atMs - performance.now()))
      startedAt += await this.#untilBrokerIsBack()
      const done = this.#inTurn(fault, () => this.#carryOut(number, fault))
      running.push(done)
      // Looked at in the end; the later ones are tried all the same.
      done.catch(() => undefined)
      if (fault.kind.startsWith('broker'))
        this.#outage = { since: performance.now(), over: done.catch(() => undefined) }
    }
    await Promise.all(running)
  }

  /** ms that it took, beyond what the schedule reckons with. */
  async #untilBrokerIsBack(): Promise<number> {
    const now = performance.now()
    if (this.#outage === undefined || now - this.#outage.since < BROKER_OUTAGE_MS) return 0
    await this.#outage.over
    return performance.now() - now
  }

  /** After the last one that met the same slot, or the same whole. */
  #inTurn({ kind, slot }: ScheduledFault, work: () => Promise<void>): Promise<void> {
    const queue = kind.startsWith('broker') ? 'broker' : String(slot)
    const done = (this.#queues.get(queue) ?? Promise.resolve()).then(work)
    this.#queues.set(queue, done)
    return done
  }

  async #carryOut(number: number, fault: ScheduledFault): Promise<void> {
    const { members, ledger } = this.#scene
    // A newcomer; or one that has ended by itself, which the checker sees: what is left of the schedule is not lost to it.
    if (fault.slot !== null && !members.isRunning(fault.slot)) members.start(fault.slot)
    // A kill may come at any moment; a stop of what has not begun yet would show nothing.
    if (fault.slot !== null && fault.kind !== 'kill') await members.ready(fault.slot)
    const member = fault.slot === null ? null : members.nameOf(fault.slot)
    const note = { event: 'fault', kind: fault.kind, fault: number, member } as const
    this.begun += 1
    if (fault.kind === 'kill-worker') {
      ledger.write({ ...note, phase: 'begins', ...members.killWorker(fault.slot ?? 0) })
    } else {
      ledger.write({ ...note, phase: 'begins' })
    }
    await this.#meet(fault, member)
    ledger.write({ ...note, phase: 'ends' })
  }

  async #meet({ kind, slot, durationMs, delayMs }: ScheduledFault, member: string | null): Promise<void> {
    const { members, broker, proxy } = this.#scene
    const where = slot ?? 0
    switch (kind) {
      case 'kill':
        await members.kill(where)
        await sleep(durationMs)
        return members.start(where)
      case 'kill-worker':
        return
      case 'leave':
      case 'abort':
        await members.close(where, kind === 'leave' ? 'SIGTERM' : 'SIGINT')
        await sleep(durationMs)
        return members.start(where)
      case 'join':
        await sleep(durationMs)
        return members.close(where, 'SIGTERM')
      case 'long-stop':
      case 'short-stop':
        members.signal(where, 'SIGSTOP')
        await sleep(durationMs)
        return members.signal(where, 'SIGCONT')
      case 'cut':
      case 'cut-all':
      case 'delay': {
        const undo = kind === 'delay' ? proxy.delay(member, delayMs) : proxy.cut(member)
        await sleep(durationMs)
        return undo()
      }
      case 'broker-restart':
      case 'broker-crash': {
        const signal = kind === 'broker-crash' ? 'SIGKILL' : 'SIGTERM'
        await broker.halt(signal)
        await sleep(durationMs)
        return broker.restart()
      }
    }
  }
}
