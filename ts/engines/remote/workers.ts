/**
 * The workers of one engine: who gets the next messages, what becomes of what they answer, and of what a lost one held.
 *
 * Each take goes to one worker, the one with the most free credits, and is no larger than those: a slow worker gets less,
 * and nothing is ever taken that nobody may run. A lane is open again only when nobody can run its message any more: when
 * a worker has answered for it, when the worker is known to be gone, or when it must have stopped by the contract.
 */

import { errorOf, outgoingRecord } from '../../contracts/settlements.js'
import { CAPABILITY_OUTPUTS, v1 } from '../../contracts/worker-contract.js'
import { LanewayError } from '../../errors.js'
import type { MessageBatch } from '../../message-batch.js'
import { Outcome } from '../../native.js'
import { outgoing } from '../../outgoing.js'
import type { EngineHost, StopMode } from '../../ports/engine.js'
import { type Place, Settler } from '../settler.js'
import { Alarm } from './alarm.js'
import { Expiry } from './expiry.js'
import { HeldRun } from './held-run.js'
import type { WorkerLimits } from './limits.js'
import { type Ending, hostTimeMs, type Over, type Session, type SessionOwner } from './session.js'
import { TimeOuts } from './time-outs.js'

/** One frame holds so many bytes of messages, and one message at least. */
const FRAME_BYTES = 1024 * 1024
const { STATUS_COMPLETED, STATUS_RELEASED } = v1.Status

export class Workers implements SessionOwner {
  readonly limits: WorkerLimits
  readonly capabilities: readonly string[]
  readonly timeoutMs: number
  readonly #host: EngineHost
  readonly #settler: Settler
  readonly #sessions = new Set<Session>()
  /** All that is leased. */
  readonly #runs = new Set<HeldRun>()
  /** Leases of workers that are lost, until nobody can run them any more. */
  readonly #lost = new Map<HeldRun, Alarm>()
  readonly #attempts: TimeOuts<HeldRun>
  /** Cancelled attempts, whose handlers have not ended. */
  readonly #overdue: TimeOuts<HeldRun>
  readonly #silences: TimeOuts<Session>
  readonly #hellos: TimeOuts<Session>
  readonly #expiries = new Map<Session, Expiry>()
  readonly #waitingForDrain = new Set<() => void>()
  #stop: StopMode | undefined
  #dealScheduled = false

  constructor(host: EngineHost, limits: WorkerLimits) {
    this.limits = limits
    this.capabilities = host.isTransactional ? [CAPABILITY_OUTPUTS] : []
    this.#host = host
    this.#settler = new Settler(
      host,
      host.attach(() => this.freed()),
    )
    this.timeoutMs = host.handlerTimeoutMs === 0 ? limits.leaseTimeoutMs : host.handlerTimeoutMs
    this.#attempts = new TimeOuts(this.timeoutMs, (run) => this.#timedOut(run))
    this.#overdue = new TimeOuts(limits.killAfterMs, (run) => run.session.admission.overdue?.())
    this.#silences = new TimeOuts(limits.heartbeat.timeout, (session) => {
      session.end({ code: 'UNAVAILABLE', message: `nothing was heard of it for ${limits.heartbeat.timeout} ms` })
    })
    this.#hellos = new TimeOuts(limits.helloTimeoutMs, (session) => {
      session.end({ code: 'DEADLINE_EXCEEDED', message: `no Hello came within ${limits.helloTimeoutMs} ms` })
    })
    this.freed()
  }

  /** Why no worker more may open a stream now. */
  get refusal(): Ending | undefined {
    if (this.#stop !== undefined) return { code: 'UNAVAILABLE', message: 'the consumer is closing' }
    if (this.#sessions.size < this.limits.maxWorkers) return undefined
    return { code: 'RESOURCE_EXHAUSTED', message: `there are ${this.limits.maxWorkers} workers already` }
  }

  /** Something is leased. */
  get isBusy(): boolean {
    return this.#runs.size > 0
  }

  opened(session: Session): void {
    this.#sessions.add(session)
    this.#hellos.begin(session)
  }

  heard(session: Session): void {
    if (!session.isNew) this.#silences.begin(session)
  }

  greeted(session: Session): Ending | undefined {
    if (this.#stop !== undefined) return this.refusal
    this.#hellos.end(session)
    this.#silences.begin(session)
    const { expiresAtMs } = session.admission
    if (expiresAtMs !== undefined) this.#expiries.set(session, new Expiry(session, expiresAtMs, this.timeoutMs))
    session.admission.greeted?.()
    this.#host.logger.info(`worker ${session.name} says hello`, { session: session.id })
    return undefined
  }

  /** Soon, once, and after everything that is due in the event loop now: what ends in one burst shares one take. */
  freed(): void {
    if (this.#dealScheduled || this.#stop === 'abort') return
    this.#dealScheduled = true
    setImmediate(() => {
      this.#dealScheduled = false
      this.#guarded(() => this.#deal())
    })
  }

  settled(run: HeldRun, settlement: v1.Settlement.$Properties): void {
    this.#guarded(() => this.#settle(run, settlement))
  }

  over(session: Session, { reason, isClean }: Over): void {
    this.#sessions.delete(session)
    this.#hellos.end(session)
    this.#silences.end(session)
    this.#expiries.get(session)?.stop()
    this.#expiries.delete(session)
    if (this.#stop === 'abort') return
    const { runs, admission } = session
    const fields = { session: session.id, reason, runs: runs.size, ignoredSettlements: session.ignoredSettlements }
    const { logger } = this.#host
    // Whoever was not welcome might knock again and again: that is for those who look for it.
    if (!session.wasWelcome) logger.debug(`worker ${session.name} was refused: ${reason}`, fields)
    else if (isClean && runs.size === 0) logger.info(`worker ${session.name} has left`, fields)
    else logger.warn(`worker ${session.name} was lost: ${reason}`, fields)
    admission.over?.(isClean && runs.size === 0)
    for (const run of runs) {
      this.#attempts.end(run)
      this.#awaitEnd(run, reason)
    }
    admission.gone?.then(() => {
      for (const run of runs) this.#giveBack(run, reason)
    })
  }

  fence(partitions: readonly Place[]): void {
    for (const run of this.#runs) {
      const { topic, partition } = run.place
      if (!partitions.some((each) => each.topic === topic && each.partition === partition)) continue
      run.isFenced = true
      run.session.cancel(run.leases, 'the partition is another consumer’s now')
    }
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    if (this.#stop === 'abort') return
    this.#stop = mode
    if (mode === 'drain') return this.#drain(deadlineMs)
    this.#settler.flush()
    this.#settler.taker.detach()
    this.#attempts.clear()
    this.#overdue.clear()
    this.#silences.clear()
    this.#hellos.clear()
    for (const alarm of this.#lost.values()) alarm.stop()
    const ending: Ending = { code: 'UNAVAILABLE', message: 'the consumer is closed' }
    for (const session of this.#sessions) session.end(session.runs.size === 0 ? undefined : ending)
    this.#runs.clear()
    this.#announceDrained()
  }

  async #drain(deadlineMs: number): Promise<void> {
    for (const session of this.#sessions) session.drain('the consumer is closing')
    this.freed()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs)
      this.#waitingForDrain.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #announceDrained(): void {
    for (const announce of this.#waitingForDrain) announce()
    this.#waitingForDrain.clear()
  }

  #guarded(work: () => void): void {
    if (this.#stop === 'abort') return
    try {
      work()
    } catch (error) {
      this.#host.fail(error)
    }
  }

  #deal(): void {
    if (this.#stop !== undefined) {
      this.#settler.flush()
      if (this.#runs.size === 0) this.#announceDrained()
      return
    }
    for (let next = this.#freest(); next !== undefined; next = this.#freest()) {
      // A share of its credits: others that are as free get as much, and whoever is freest then gets the next one.
      const batch = this.#settler.take(Math.ceil(next.free / this.#sessions.size), FRAME_BYTES)
      if (batch === undefined) return
      this.#lease(next, batch)
    }
    this.#settler.flush()
  }

  #freest(): Session | undefined {
    let freest: Session | undefined
    for (const session of this.#sessions) {
      if (session.free > (freest?.free ?? 0)) freest = session
    }
    return freest
  }

  #lease(session: Session, batch: MessageBatch): void {
    const runs: HeldRun[] = []
    for (let run = 0; run < batch.runs; run += 1) {
      const held = this.#runOf(session, batch, run)
      if (held !== undefined) runs.push(held)
    }
    if (runs.length === 0) return
    for (const run of runs) {
      this.#runs.add(run)
      this.#attempts.begin(run)
    }
    session.lease(runs)
  }

  /** Without what must not be sent: at the head of the run it fails; further on it goes back, and comes as a head. */
  #runOf(session: Session, batch: MessageBatch, run: number): HeldRun | undefined {
    const place = this.#host.partition(batch.runPartitions[run] ?? 0)
    const last = batch.runStarts[run + 1] ?? 0
    let from = batch.runStarts[run] ?? 0
    for (; from < last; from += 1) {
      const obstacle = obstacleOf(session, batch, from)
      if (obstacle === undefined) break
      if (!this.#settler.failed(obstacle, batch, from, place)) return undefined
    }
    // After a failure alone: where it is the worker's loss, one behind it, which ran unheard of, may be the reason.
    const end = (batch.attempts[from] ?? 1) > 1 ? Math.min(from + 1, last) : last
    let to = from
    while (to < end && obstacleOf(session, batch, to) === undefined) to += 1
    if (to < last) this.#settler.settle(batch, to, Outcome.Released)
    if (to === from) return undefined
    return new HeldRun(session, batch, place, { from, to }, { beginsAtMs: hostTimeMs(), timeoutMs: this.timeoutMs })
  }

  #settle(run: HeldRun, settlement: v1.Settlement.$Properties): void {
    if (settlement.status === STATUS_RELEASED || run.refused !== undefined) {
      this.#end(run)
      return
    }
    const failure = this.#failureOf(run, settlement)
    if (failure === undefined) this.#complete(run)
    else if (settlement.status === STATUS_COMPLETED) this.#refuse(run, failure)
    else this.#end(run, failure)
  }

  #failureOf(run: HeldRun, settlement: v1.Settlement.$Properties): Error | undefined {
    // Also where it has timed out: it had ended before its worker knew, which has gone on with the next lease.
    if (settlement.status === STATUS_COMPLETED) return this.#send(run, settlement.outputs ?? [])
    return run.isTimedOut ? this.#timeout() : errorOf(settlement)
  }

  /** Its worker has gone on with the run: the lane opens when that has stopped, and the message has failed then. */
  #refuse(run: HeldRun, failure: Error): void {
    if (run.head + 1 === run.end) {
      this.#end(run, failure)
      return
    }
    run.session.forget([run.headLease])
    this.#overdue.end(run)
    run.refuse(failure)
    this.#attempts.begin(run)
    run.session.cancel(run.leases, failure.message)
  }

  #complete(run: HeldRun): void {
    run.session.forget([run.headLease])
    this.#overdue.end(run)
    this.#settler.settle(run.batch, run.head, Outcome.Completed)
    if (run.advance()) {
      this.#attempts.begin(run)
    } else {
      this.#attempts.end(run)
      this.#runs.delete(run)
    }
  }

  /** Keeps the records with their message; why that is not possible. */
  #send({ batch, head, headLease }: HeldRun, outputs: readonly v1.Output.$Properties[]): Error | undefined {
    if (outputs.length === 0) return undefined
    if (!this.#host.isTransactional) {
      return new LanewayError('NOT_TRANSACTIONAL', 'outputs need the option transactional')
    }
    try {
      for (const output of outputs) {
        const { topic, partition, key, value, timestamp, headers } = outgoing(outgoingRecord(output))
        const slot = batch.slots[head] ?? 0
        this.#settler.taker.output(headLease, slot, topic, partition, key, value, timestamp, headers)
      }
    } catch (error) {
      if (LanewayError.is(error)) return error
      throw error
    }
    return undefined
  }

  /** Its head has not been completed: it has failed, or is given back; and with it what comes after it. */
  #end(run: HeldRun, error?: Error): void {
    run.session.forget(run.leases)
    this.#attempts.end(run)
    this.#overdue.end(run)
    this.#runs.delete(run)
    const { batch, end, place } = run
    const { index, error: reason } = run.refused ?? { index: run.head, error }
    if (reason === undefined || run.isFenced) {
      this.#settler.settle(batch, index, Outcome.Released)
    } else if (this.#settler.failed(reason, batch, index, place) && index + 1 < end) {
      this.#settler.settle(batch, index + 1, Outcome.Released)
    }
  }

  /** Its lane stays closed until the worker says that the handler has ended. */
  #timedOut(run: HeldRun): void {
    run.isTimedOut = true
    this.#overdue.begin(run)
    const { message } = this.#timeout()
    run.session.cancel([run.headLease], message)
    const { topic, partition } = run.place
    const offset = run.batch.offsets[run.head]
    this.#host.logger.warn(
      `worker ${run.session.name} is to cancel ${topic} [${partition}] at offset ${offset}: ${message}`,
      {
        session: run.session.id,
        topic,
        partition,
        offset,
      },
    )
  }

  #timeout(): LanewayError {
    return new LanewayError('HANDLER_TIMEOUT', `the handler ran longer than ${this.timeoutMs} ms`)
  }

  /** Until the worker, of which nothing is known, can run none of it any more. */
  #awaitEnd(run: HeldRun, reason: string): void {
    const endsAtMs = Math.min(run.endsAtMs, run.session.stopsAtMs)
    this.#lost.set(run, new Alarm(hostTimeMs, endsAtMs, () => this.#giveBack(run, reason)))
  }

  /** Why the head of a lost worker's run has failed; undefined where it is only given back. */
  #lossOf(run: HeldRun, message: string): LanewayError | undefined {
    // The worker was perhaps ended because of it: given back without counting, it would end the next one.
    if (run.isTimedOut) return this.#timeout()
    return this.limits.onLost === 'attempt' ? new LanewayError('WORKER_LOST', message) : undefined
  }

  #giveBack(run: HeldRun, reason: string): void {
    const alarm = this.#lost.get(run)
    if (alarm === undefined) return
    alarm.stop()
    this.#lost.delete(run)
    const error = this.#lossOf(run, `worker ${run.session.name} was lost: ${reason}`)
    this.#guarded(() => {
      this.#end(run, error)
      this.freed()
    })
  }
}

/** Why a message must not be sent to this worker. */
function obstacleOf(session: Session, batch: MessageBatch, index: number): LanewayError | undefined {
  if (batch.attempts[index] === 0) {
    return new LanewayError('KEY_POISONED', 'not run: its key has failed too often in a row')
  }
  const bytes = batch.bytesOf(index)
  if (bytes <= session.maxMessageBytes) return undefined
  const message = `its ${bytes} bytes are more than the ${session.maxMessageBytes} that the worker takes`
  return new LanewayError('LEASE_TOO_LARGE', message)
}
