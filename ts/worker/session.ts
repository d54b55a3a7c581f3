/**
 * One stream to the host: its hello, its heartbeats, the leases that came in it, and its end. What a session holds is
 * lost with it; the worker then opens another one.
 */
import { type ClientDuplexStream, type StatusObject, status } from '@grpc/grpc-js'
import {
  CAPABILITY_ANSWERED_HEARTBEATS,
  CAPABILITY_OUTPUTS,
  CONTRACT_VERSION,
  numberOf,
  type v1,
  type WorkRequest,
  type WorkResponse,
} from '../contracts/worker-contract.js'
import { LanewayError } from '../errors.js'
import type { Message } from '../ports/engine.js'
import type { Answer } from './answers.js'
import type { WorkerHandler } from './attempt.js'
import { Deadlines } from './deadlines.js'
import { HostClock, workerTimeMs } from './host-clock.js'
import { type Lessor, Run } from './run.js'
import { PendingSettlements } from './settlements.js'
import { SilenceWatch } from './silence.js'
import type { Slots } from './slots.js'

/** How long a connection and the Welcome may take, in ms. */
const WELCOME_TIMEOUT_MS = 20_000
/** How long the host may take to end a stream that the worker has closed, in ms. */
const CLOSE_TIMEOUT_MS = 5_000

export type WorkCall = ClientDuplexStream<WorkRequest, WorkResponse>

export interface SessionOptions {
  readonly hello: Pick<v1.Hello.$Properties, 'worker' | 'sdk' | 'credits' | 'maxMessageBytes'>
  readonly handlers: ReadonlyMap<string, WorkerHandler<Message>>
  readonly slots: Slots
  /** The host has welcomed the worker. */
  readonly onWelcome: (session: string) => void
}

/** How a session ended. */
export interface SessionEnd {
  readonly code: status
  readonly reason: string
  /** It had begun. */
  readonly wasWelcome: boolean
}

export class Session implements Lessor {
  readonly #call: WorkCall
  readonly #options: SessionOptions
  readonly #clock = new HostClock()
  readonly #runs = new Set<Run>()
  readonly #deadlines = new Deadlines(this.#runs)
  readonly #settlements: PendingSettlements
  readonly #silence: SilenceWatch
  readonly #ended: Promise<SessionEnd>
  #announceEnd: (end: SessionEnd) => void = () => undefined
  #heartbeats: NodeJS.Timeout | undefined
  #closing: NodeJS.Timeout | undefined
  #takesOutputs = false
  #attemptTimeoutMs = Number.POSITIVE_INFINITY
  #isWelcome = false
  #isDraining = false
  #isClosed = false
  #isOver = false

  constructor(call: WorkCall, options: SessionOptions) {
    this.#call = call
    this.#options = options
    this.#settlements = new PendingSettlements((settlements) => this.#write({ settlements: { settlements } }))
    this.#silence = new SilenceWatch(WELCOME_TIMEOUT_MS, () => this.#onSilence())
    this.#ended = new Promise((resolve) => {
      this.#announceEnd = resolve
    })
    call.on('data', (response: WorkResponse) => this.#onResponse(response))
    // The status says all that an error does, and comes in any case.
    call.on('error', () => undefined)
    call.on('status', (end: StatusObject) => this.#over(end.code, end.details))
    this.#hello()
  }

  /** Resolves when the stream has ended, whoever ended it. */
  get ended(): Promise<SessionEnd> {
    return this.#ended
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  get takesOutputs(): boolean {
    return this.#takesOutputs
  }

  get startsUntilMs(): number {
    return this.#silence.dueAtMs
  }

  get attemptTimeoutMs(): number {
    return this.#attemptTimeoutMs
  }

  deadlineOf(lease: v1.Lease.$Properties): number {
    return this.#clock.toWorkerTime(lease.deadlineMs ?? 0)
  }

  settle({ id }: v1.Lease.$Properties, answer: Answer): void {
    if (!this.#isOver) this.#settlements.add({ ...answer, lease: id ?? 0 })
  }

  moved(run: Run): void {
    this.#deadlines.watch(run)
  }

  over(run: Run): void {
    this.#runs.delete(run)
    this.#closeWhenDrained()
  }

  /** Tells the host that this worker wants to end; the stream is closed when nothing is left. */
  drain(reason: string): void {
    if (this.#isDraining) return
    this.#write({ drain: { reason } })
    this.#beginDrain()
  }

  /** All handlers are to end now. */
  cancel(reason: LanewayError): void {
    for (const run of [...this.#runs]) run.cancel(reason)
  }

  /** Tells what is settled, and closes the stream. What is still held is lost to the host. */
  close(): void {
    if (this.#isClosed || this.#isOver) return
    this.#settlements.flush()
    this.#isClosed = true
    this.#call.end()
    this.#closing = setTimeout(() => this.#call.cancel(), CLOSE_TIMEOUT_MS)
  }

  #hello(): void {
    const handlers = [...this.#options.handlers.keys()]
    const capabilities = [CAPABILITY_ANSWERED_HEARTBEATS]
    const { hello } = this.#options
    this.#write({
      hello: { contractVersion: CONTRACT_VERSION, capabilities, ...hello, handlers, sentAtMs: workerTimeMs() },
    })
  }

  #write(request: WorkRequest): void {
    if (!this.#isOver && !this.#isClosed) this.#call.write(request)
  }

  #onResponse(response: WorkResponse): void {
    if (this.#isOver) return
    if (response.welcome) this.#onWelcome(response.welcome)
    else if (response.leases) this.#onLeases(response.leases)
    else if (response.heartbeatReply) this.#onHeartbeatReply(response.heartbeatReply)
    else if (response.cancel) this.#onCancel(response.cancel)
    else if (response.drain) this.#beginDrain()
    // Anything else is of a later version of the contract.
  }

  #onWelcome(welcome: v1.Welcome.$Properties): void {
    if (this.#isWelcome) return
    this.#isWelcome = true
    this.#takesOutputs = welcome.capabilities?.includes(CAPABILITY_OUTPUTS) ?? false
    this.#attemptTimeoutMs = welcome.attemptTimeoutMs || Number.POSITIVE_INFINITY
    this.#onHeartbeatReply(welcome)
    this.#silence.allow(welcome.heartbeatTimeoutMs ?? 0)
    this.#heartbeats = setInterval(() => this.#heartbeat(), welcome.heartbeatIntervalMs ?? 0)
    this.#options.onWelcome(welcome.session ?? '')
  }

  #onHeartbeatReply({ sentAtMs, hostTimeMs }: v1.HeartbeatReply.$Properties): void {
    this.#clock.read(sentAtMs ?? 0, hostTimeMs ?? 0)
    this.#silence.answered(sentAtMs ?? 0)
  }

  #heartbeat(): void {
    this.#write({ heartbeat: { sentAtMs: workerTimeMs() } })
  }

  #onLeases({ handler: name, runs }: v1.Leases.$Properties): void {
    const { slots, handlers } = this.#options
    const handlerName = name ?? ''
    for (const { topic, partition, leases } of runs ?? []) {
      if (leases === null || leases === undefined || leases.length === 0) continue
      const run = new Run({
        lessor: this,
        slots,
        handlerName,
        handler: handlers.get(handlerName),
        leases,
        topic: topic ?? '',
        partition: partition ?? 0,
      })
      this.#runs.add(run)
      this.#deadlines.watch(run)
      // They were on their way when the drain began.
      if (this.#isDraining) run.releaseIfWaiting()
    }
  }

  #onCancel({ leases, reason }: v1.Cancel.$Properties): void {
    const ids = new Set(leases?.map(numberOf))
    const error = new LanewayError('CANCELLED', `the host has cancelled the handler: ${reason ?? ''}`)
    for (const run of [...this.#runs]) run.cancelLeases(ids, error)
  }

  #beginDrain(): void {
    this.#isDraining = true
    for (const run of [...this.#runs]) run.releaseIfWaiting()
    this.#closeWhenDrained()
  }

  #closeWhenDrained(): void {
    if (this.#isDraining && this.#runs.size === 0) this.close()
  }

  #onSilence(): void {
    this.#over(
      status.UNAVAILABLE,
      this.#isWelcome ? 'the host has answered no heartbeat for too long' : 'the host did not answer',
    )
    this.#call.cancel()
  }

  #over(code: status, reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#heartbeats)
    clearTimeout(this.#closing)
    this.#silence.stop()
    this.#deadlines.stop()
    this.#settlements.discard()
    const lost = new LanewayError('LEASE_LOST', `the host is lost: ${reason}`)
    for (const run of this.#runs) run.forget(lost)
    this.#announceEnd({ code, reason, wasWelcome: this.#isWelcome })
  }
}
