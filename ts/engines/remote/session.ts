/**
 * One worker's stream: its hello, what it holds, what it may get, and its end. It keeps the worker to the rules of the
 * contract; what a settlement means is for its owner to say.
 *
 * A session that is over never comes back: whatever still arrives on its stream changes nothing.
 */
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import { contractLease } from '../../contracts/leases.js'
import {
  CAPABILITY_ANSWERED_HEARTBEATS,
  CONTRACT_VERSION,
  numberOf,
  type v1,
  type WorkRequest,
  type WorkResponse,
} from '../../contracts/worker-contract.js'
import type { Admission } from './admission.js'
import type { HeldRun } from './held-run.js'
import { MAX_CREDITS, MAX_NAME_LENGTH, MAX_NAMES, type WorkerLimits } from './limits.js'

/** Why the host ends a stream. */
export interface Ending {
  readonly code: keyof typeof status
  readonly message: string
}

/** How a session has ended. */
export interface Over {
  readonly reason: string
  /** The worker has closed its stream, rather than been cut off. */
  readonly isClean: boolean
}

/** What a session tells its owner. */
export interface SessionOwner {
  readonly limits: WorkerLimits
  /** ms that a handler may run where the host can cancel it. */
  readonly timeoutMs: number
  /** What workers may send only where the host says that it takes it. */
  readonly capabilities: readonly string[]
  /** Something came. */
  heard(session: Session): void
  /** It has said hello: undefined where it is welcome. */
  greeted(session: Session): Ending | undefined
  /** The head of a run has ended. */
  settled(run: HeldRun, settlement: v1.Settlement.$Properties): void
  /** It may get more than before. */
  freed(): void
  /** Its stream has ended; what it still holds is lost. */
  over(session: Session, over: Over): void
}

export type WorkCall = ServerDuplexStream<WorkRequest, WorkResponse>

/** Monotonic, in ms since the epoch: what the contract calls the host's clock. */
export function hostTimeMs(): number {
  return performance.timeOrigin + performance.now()
}

function contractRun(run: HeldRun): v1.Run.$Properties {
  const { batch, head, end, place } = run
  const leases = Array.from({ length: end - head }, (_, i) =>
    contractLease(batch, head + i, place, run.deadlineMs(head + i)),
  )
  return { topic: place.topic, partition: place.partition, leases }
}

function isShort(name: string | null | undefined): boolean {
  return (name?.length ?? 0) <= MAX_NAME_LENGTH
}

export class Session {
  readonly id: string
  readonly admission: Admission
  readonly #call: WorkCall
  readonly #owner: SessionOwner
  /** By lease. */
  readonly #held = new Map<number, HeldRun>()
  #state: 'new' | 'open' | 'draining' | 'over' = 'new'
  #worker = ''
  #credits = 0
  #maxMessageBytes = 0
  #endsWithHeartbeats = false
  #answeredAtMs = 0
  #isBlocked = false
  #ignoredSettlements = 0
  #wasWelcome = false

  constructor(id: string, call: WorkCall, admission: Admission, owner: SessionOwner) {
    this.id = id
    this.admission = admission
    this.#call = call
    this.#owner = owner
    call.on('data', (request: WorkRequest) => this.#onRequest(request))
    call.on('drain', () => {
      this.#isBlocked = false
      owner.freed()
    })
    call.on('end', () => this.#over('it has closed its stream', true))
    call.on('cancelled', () => this.#over('its connection broke'))
    call.on('error', (error) => this.#over(error.message))
  }

  /** For logs: what the worker calls itself, or what it is known as. */
  get name(): string {
    return this.#worker === '' ? this.admission.name : this.#worker
  }

  /** The largest message that it takes, in bytes. */
  get maxMessageBytes(): number {
    return this.#maxMessageBytes
  }

  get isNew(): boolean {
    return this.#state === 'new'
  }

  /** It has been told so. */
  get wasWelcome(): boolean {
    return this.#wasWelcome
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /**
   * By the host's clock: from then on a worker that is cut off runs nothing of what it held. It starts nothing from
   * `heartbeat.timeout` after it sent the last heartbeat that was answered, which was before the answer.
   */
  get stopsAtMs(): number {
    if (!this.#endsWithHeartbeats) return Number.POSITIVE_INFINITY
    return this.#answeredAtMs + this.#owner.limits.heartbeat.timeout + this.#attemptTimeoutMs
  }

  /** A worker that is heard of is told to cancel a handler before this. */
  get #attemptTimeoutMs(): number {
    return this.#owner.timeoutMs + this.#owner.limits.heartbeat.timeout
  }

  /** Settlements of leases that were not its own (any more). */
  get ignoredSettlements(): number {
    return this.#ignoredSettlements
  }

  /** Messages that it may get now. */
  get free(): number {
    return this.#state === 'open' && !this.#isBlocked ? this.#credits - this.#held.size : 0
  }

  get runs(): ReadonlySet<HeldRun> {
    return new Set(this.#held.values())
  }

  /** Hands runs to the worker, each lease with the time when it ends. */
  lease(runs: readonly HeldRun[]): void {
    for (const run of runs) for (const lease of run.leases) this.#held.set(lease, run)
    this.#write({ leases: { handler: this.#owner.limits.handler, runs: runs.map(contractRun) } })
  }

  /** These leases are not the worker's any more. */
  forget(leases: readonly number[]): void {
    for (const lease of leases) this.#held.delete(lease)
  }

  cancel(leases: readonly number[], reason: string): void {
    this.#write({ cancel: { leases: [...leases], reason } })
  }

  drain(reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#write({ drain: { reason } })
  }

  /** Ends the stream; without an ending, as one that has served its purpose. */
  end(ending?: Ending): void {
    if (this.#state === 'over') return
    if (ending === undefined) this.#call.end()
    else this.#call.emit('error', { code: status[ending.code], details: ending.message })
    this.#over(ending?.message ?? 'the consumer is closed')
  }

  #over(reason: string, isClean = false): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    if (!this.#call.writableEnded) this.#call.end()
    this.#owner.over(this, { reason, isClean })
  }

  #write(response: WorkResponse): void {
    if (this.#state === 'over') return
    if (!this.#call.write(response)) this.#isBlocked = true
  }

  #onRequest(request: WorkRequest): void {
    if (this.#state === 'over') return
    this.#owner.heard(this)
    if (this.#state === 'new') {
      if (request.hello) this.#onHello(request.hello)
      else this.end({ code: 'FAILED_PRECONDITION', message: 'the first message of a worker is its Hello' })
      return
    }
    if (request.settlements) this.#onSettlements(request.settlements.settlements ?? [])
    else if (request.heartbeat) this.#onHeartbeat(request.heartbeat)
    else if (request.credits) this.#onCredits(request.credits.credits ?? 0)
    else if (request.drain) this.#onDrain()
    else if (request.hello) this.end({ code: 'FAILED_PRECONDITION', message: 'a worker says hello once' })
    // Anything else is of a later version of the contract.
  }

  #onHello(hello: v1.Hello.$Properties): void {
    const refusal = this.#refusalOf(hello)
    if (refusal !== undefined) {
      this.end(refusal)
      return
    }
    const { maxMessageBytes, heartbeat } = this.#owner.limits
    this.#worker = hello.worker ?? ''
    this.#credits = Math.min(hello.credits ?? 0, MAX_CREDITS)
    this.#maxMessageBytes = Math.min(numberOf(hello.maxMessageBytes) || maxMessageBytes, maxMessageBytes)
    const unwelcome = this.#owner.greeted(this)
    if (unwelcome !== undefined) {
      this.end(unwelcome)
      return
    }
    this.#state = 'open'
    this.#wasWelcome = true
    this.#endsWithHeartbeats = hello.capabilities?.includes(CAPABILITY_ANSWERED_HEARTBEATS) ?? false
    this.#write({
      welcome: {
        contractVersion: CONTRACT_VERSION,
        capabilities: [...this.#owner.capabilities],
        session: this.id,
        heartbeatIntervalMs: heartbeat.interval,
        heartbeatTimeoutMs: heartbeat.timeout,
        attemptTimeoutMs: this.#attemptTimeoutMs,
        ...this.#answerTo(hello),
      },
    })
    this.#owner.freed()
  }

  #refusalOf({ handlers, capabilities, worker, sdk, credits }: v1.Hello.$Properties): Ending | undefined {
    const names = [...(handlers ?? []), ...(capabilities ?? []), worker, sdk]
    if (names.length > MAX_NAMES || !names.every(isShort)) {
      const message = `a Hello has at most ${MAX_NAMES} names of at most ${MAX_NAME_LENGTH} characters each`
      return { code: 'INVALID_ARGUMENT', message }
    }
    if ((credits ?? 0) < 1) return { code: 'INVALID_ARGUMENT', message: 'a worker has at least 1 credit' }
    const { handler } = this.#owner.limits
    if (handlers?.includes(handler)) return undefined
    return {
      code: 'NOT_FOUND',
      message: `this host wants the handler ${JSON.stringify(handler)}, which is not offered`,
    }
  }

  #onSettlements(settlements: readonly v1.Settlement.$Properties[]): void {
    if (settlements.length > MAX_CREDITS) {
      this.end({ code: 'INVALID_ARGUMENT', message: `more than ${MAX_CREDITS} settlements at once` })
      return
    }
    for (const settlement of settlements) {
      const lease = numberOf(settlement.lease)
      const run = this.#held.get(lease)
      if (run === undefined) {
        this.#ignoredSettlements += 1
        continue
      }
      if (lease !== run.headLease) {
        const message = `lease ${lease} was settled before lease ${run.headLease} of its run`
        this.end({ code: 'FAILED_PRECONDITION', message })
        return
      }
      this.#owner.settled(run, settlement)
      if (this.isOver) return
    }
    this.#owner.freed()
  }

  #onHeartbeat(heartbeat: v1.Heartbeat.$Properties): void {
    this.#write({ heartbeatReply: this.#answerTo(heartbeat) })
  }

  #answerTo({ sentAtMs }: v1.Heartbeat.$Properties): v1.HeartbeatReply.$Properties {
    this.#answeredAtMs = hostTimeMs()
    return { sentAtMs: sentAtMs ?? 0, hostTimeMs: this.#answeredAtMs }
  }

  #onCredits(credits: number): void {
    this.#credits = Math.min(credits, MAX_CREDITS)
    this.#owner.freed()
  }

  #onDrain(): void {
    if (this.#state === 'open') this.#state = 'draining'
  }
}
