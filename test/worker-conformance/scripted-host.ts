/**
 * A host that does what a test says: it hands out leases, keeps silent, sends what no host of today sends. It keeps the
 * books of the contract, and notes every breach of it that it sees.
 */
import { type Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import {
  CAPABILITY_OUTPUTS,
  numberOf,
  type v1,
  type WorkRequest,
  type WorkResponse,
  workerService,
} from '../../ts/contracts/worker-contract.js'

/** A message of the contract, or the bytes of one that this version does not know. */
type Sent = WorkResponse | Buffer

const method = {
  ...workerService.work,
  responseSerialize: (sent: Sent): Buffer =>
    Buffer.isBuffer(sent) ? sent : workerService.work.responseSerialize(sent),
}

/** What a test says of a lease; the rest has defaults. */
export interface ScriptedLease {
  readonly message?: Partial<v1.Message.$Properties>
  /** The orders of the obedient handler, as the message's value. */
  readonly orders?: Record<string, unknown>
  readonly attempt?: number
  readonly firstFailedAtMs?: number
  /** ms from now. */
  readonly timeoutMs?: number
}

export interface WelcomeOptions {
  readonly heartbeatIntervalMs?: number
  readonly heartbeatTimeoutMs?: number
  /** Default: 0, none. */
  readonly attemptTimeoutMs?: number
  /** Default: outputs. */
  readonly capabilities?: readonly string[]
}

const LEASE_TIMEOUT_MS = 60_000

/** Apart from the worker's, so that a worker which took one clock for the other would be found out. */
const HOST_CLOCK_AHEAD_MS = 1e12

export const hostTimeMs = (): number => performance.now() + HOST_CLOCK_AHEAD_MS

/** Lets tests wait for what they look at. */
class Bell {
  readonly #waiting = new Set<() => void>()

  ring(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  async until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const seen = look()
      if (seen !== undefined) return seen
      await new Promise<void>((wake) => this.#waiting.add(wake))
    }
  }
}

/** How the worker's side of a stream ended. */
export type StreamEnd = 'closed' | 'broken'

export class ScriptedSession {
  readonly metadata: Metadata
  readonly settlements: v1.Settlement.$Properties[] = []
  /** How many settlements came in each frame. */
  readonly frames: number[] = []
  readonly heartbeats: number[] = []
  readonly drains: string[] = []
  readonly violations: string[] = []
  /** Answers heartbeats. */
  isAnswering = true
  readonly #call: ServerDuplexStream<WorkRequest, Sent>
  readonly #bell = new Bell()
  readonly #nextLease: () => number
  /** Leases that the worker holds: what is left of each run, the head first. */
  readonly #held = new Set<number[]>()
  #hello: v1.Hello.$Properties | undefined
  #credits = 0
  #end: StreamEnd | undefined

  constructor(call: ServerDuplexStream<WorkRequest, Sent>, nextLease: () => number) {
    this.#call = call
    this.#nextLease = nextLease
    this.metadata = call.metadata
    call.on('data', (request: WorkRequest) => this.#onRequest(request))
    call.on('end', () => this.#onEnd('closed'))
    call.on('cancelled', () => this.#onEnd('broken'))
    call.on('error', () => this.#onEnd('broken'))
  }

  /** The first message; it comes before all others. */
  async hello(): Promise<v1.Hello.$Properties> {
    return this.#bell.until(() => this.#hello)
  }

  /** Messages that the worker may still get. */
  get free(): number {
    return this.#credits - [...this.#held].reduce((sum, run) => sum + run.length, 0)
  }

  async welcome(options: WelcomeOptions = {}): Promise<v1.Hello.$Properties> {
    const hello = await this.hello()
    this.send({
      welcome: {
        contractVersion: 1,
        capabilities: [...(options.capabilities ?? [CAPABILITY_OUTPUTS])],
        session: 'scripted',
        heartbeatIntervalMs: options.heartbeatIntervalMs ?? 1_000,
        heartbeatTimeoutMs: options.heartbeatTimeoutMs ?? 30_000,
        attemptTimeoutMs: options.attemptTimeoutMs ?? 0,
        sentAtMs: hello.sentAtMs ?? 0,
        hostTimeMs: hostTimeMs(),
      },
    })
    return hello
  }

  send(sent: Sent): void {
    if (this.#end === undefined) this.#call.write(sent)
  }

  /**
   * One frame with a run for each list; of the topic `scripted`, and a partition for each run.
   * @returns the ids of the leases, run by run
   */
  lease(runs: readonly (readonly ScriptedLease[])[], handler = 'obey'): number[][] {
    const ids = runs.map((run) => run.map(() => this.#nextLease()))
    const count = ids.flat().length
    if (count > this.free) throw new Error(`${count} leases for ${this.free} credits: the script is wrong`)
    for (const run of ids) this.#held.add([...run])
    this.send({
      leases: {
        handler,
        runs: runs.map((run, partition) => ({
          topic: 'scripted',
          partition,
          leases: run.map((lease, index) => contractLease(ids[partition]?.[index] ?? 0, lease)),
        })),
      },
    })
    return ids
  }

  cancel(leases: readonly number[], reason = 'told to'): void {
    this.send({ cancel: { leases: [...leases], reason } })
  }

  drain(reason = 'told to'): void {
    this.send({ drain: { reason } })
  }

  /** Ends the host's side. */
  end(): void {
    this.#call.end()
  }

  refuse(code: number, details: string): void {
    this.#call.emit('error', { code, details })
  }

  /** The settlement of a lease, when it has come. */
  async settlementOf(lease: number | undefined): Promise<v1.Settlement.$Properties> {
    return this.until(() => this.settlements.find((each) => numberOf(each.lease) === lease))
  }

  /** What `look` finds, when it finds something; it looks again whenever something has come. */
  async until<T>(look: () => T | undefined): Promise<T> {
    return this.#bell.until(look)
  }

  async ended(): Promise<StreamEnd> {
    return this.#bell.until(() => this.#end)
  }

  #onRequest(request: WorkRequest): void {
    if (this.#hello === undefined) this.#onHello(request)
    else if (request.hello) this.violations.push('a second hello')
    if (request.settlements) this.#onSettlements(request.settlements.settlements ?? [])
    if (request.credits) this.#credits = request.credits.credits ?? 0
    if (request.drain) this.drains.push(request.drain.reason ?? '')
    if (request.heartbeat) this.#onHeartbeat(request.heartbeat.sentAtMs ?? 0)
    this.#bell.ring()
  }

  #onHello({ hello }: WorkRequest): void {
    if (!hello) this.violations.push('the first message was no hello')
    this.#hello = hello ?? {}
    this.#credits = hello?.credits ?? 0
  }

  #onHeartbeat(sentAtMs: number): void {
    this.heartbeats.push(sentAtMs)
    if (this.isAnswering) this.send({ heartbeatReply: { sentAtMs, hostTimeMs: hostTimeMs() } })
  }

  #onSettlements(settlements: readonly v1.Settlement.$Properties[]): void {
    this.frames.push(settlements.length)
    this.settlements.push(...settlements)
    for (const { lease, status } of settlements) this.#settle(numberOf(lease), status ?? 0)
  }

  #settle(lease: number, status: v1.Status): void {
    const run = [...this.#held].find((each) => each.includes(lease))
    if (run === undefined) {
      this.violations.push(`lease ${lease} was settled, which the worker does not hold`)
      return
    }
    if (run[0] !== lease) this.violations.push(`lease ${lease} was settled before lease ${run[0]} of its run`)
    run.splice(0, run.indexOf(lease) + 1)
    const isCompleted = status === 1
    if (!isCompleted || run.length === 0) this.#held.delete(run)
  }

  #onEnd(end: StreamEnd): void {
    this.#end ??= end
    if (!this.#call.writableEnded) this.#call.end()
    this.#bell.ring()
  }
}

function contractLease(id: number, lease: ScriptedLease): v1.Lease.$Properties {
  const { message, orders, attempt = 1, firstFailedAtMs, timeoutMs = LEASE_TIMEOUT_MS } = lease
  return {
    id,
    attempt,
    deadlineMs: hostTimeMs() + timeoutMs,
    ...(firstFailedAtMs === undefined ? {} : { firstFailedAtMs }),
    message: {
      offset: id,
      timestampMs: 1_700_000_000_000,
      key: Buffer.from('key'),
      value: Buffer.from(orders === undefined ? '' : JSON.stringify(orders)),
      ...message,
    },
  }
}

export class ScriptedHost implements AsyncDisposable {
  readonly address: string
  readonly #server: Server
  readonly #sessions: ScriptedSession[] = []
  readonly #bell = new Bell()
  #served = 0
  #lastLease: number

  private constructor(address: string, server: Server, firstLease: number) {
    this.address = address
    this.#server = server
    this.#lastLease = firstLease - 1
  }

  /** @param address `unix:/path` or `127.0.0.1:port` */
  static async listen(
    address: string,
    { firstLease = 1, credentials = ServerCredentials.createInsecure() } = {},
  ): Promise<ScriptedHost> {
    const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, credentials, (error, bound) => {
        if (error) reject(error)
        else resolve(bound)
      })
    })
    const host = new ScriptedHost(address.replace(/:0$/, `:${port}`), server, firstLease)
    server.addService({ work: method }, { work: (call: ServerDuplexStream<WorkRequest, Sent>) => host.#onCall(call) })
    return host
  }

  /** The next session that has not been asked for. */
  async session(): Promise<ScriptedSession> {
    const session = await this.#bell.until(() => this.#sessions[this.#served])
    this.#served += 1
    return session
  }

  /** The next session, welcomed. */
  async welcomed(options?: WelcomeOptions): Promise<ScriptedSession> {
    const session = await this.session()
    await session.welcome(options)
    return session
  }

  /** How many there have been. */
  get sessions(): number {
    return this.#sessions.length
  }

  get violations(): readonly string[] {
    return this.#sessions.flatMap((session) => session.violations)
  }

  /** All connections break. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
    await Promise.resolve()
  }

  #onCall(call: ServerDuplexStream<WorkRequest, Sent>): void {
    const nextLease = () => {
      this.#lastLease += 1
      return this.#lastLease
    }
    this.#sessions.push(new ScriptedSession(call, nextLease))
    this.#bell.ring()
  }
}
