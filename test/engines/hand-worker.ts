/**
 * A worker written by hand: it sends exactly what a test says, keeps what it gets, and obeys no rule of the contract by
 * itself. Tests of the host use it rather than an SDK, which would not break the rules that are to be tested.
 */
import { type ChannelCredentials, Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js'
import { numberOf, v1, type WorkRequest, type WorkResponse, workerService } from '../../ts/contracts/worker-contract.js'

export const { Status } = v1

/** How it speaks: as this package does, or as an older or newer one would. */
export interface Dialect {
  readonly serialize: (request: WorkRequest) => Buffer
  readonly deserialize: (bytes: Buffer) => WorkResponse
}

const OWN_DIALECT: Dialect = {
  serialize: workerService.work.requestSerialize,
  deserialize: workerService.work.responseDeserialize,
}

export interface HandWorkerOptions {
  readonly token?: string
  readonly credentials?: ChannelCredentials
  readonly dialect?: Dialect
}

export interface HeldLease {
  readonly id: number
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly attempt: number
  readonly deadlineMs: number
  readonly message: v1.Message.$Properties
}

/** How the stream ended: a code of gRPC, and what the host says. */
export interface Ended {
  readonly code: number
  readonly details: string
}

export class HandWorker {
  readonly received: WorkResponse[] = []
  readonly leases: HeldLease[] = []
  readonly cancelled: number[] = []
  readonly ended: Promise<Ended>
  welcome: v1.Welcome.$Properties | undefined
  /** Called with each lease as it comes. */
  onLease: (lease: HeldLease) => void = () => undefined
  readonly #client: Client
  readonly #stream: ClientDuplexStream<WorkRequest, WorkResponse>
  readonly #waiters = new Set<() => void>()
  #end: Ended | undefined

  constructor(address: string, options: HandWorkerOptions = {}) {
    this.#client = new Client(address, options.credentials ?? credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...(options.credentials === undefined ? {} : { 'grpc.ssl_target_name_override': 'localhost' }),
    })
    const metadata = new Metadata()
    if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`)
    const { serialize, deserialize } = options.dialect ?? OWN_DIALECT
    this.#stream = this.#client.makeBidiStreamRequest(workerService.work.path, serialize, deserialize, metadata)
    this.#stream.on('data', (response: WorkResponse) => this.#onResponse(response))
    this.#stream.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      this.#stream.on('status', ({ code, details }) => {
        this.#end = { code, details }
        this.#client.close()
        this.#wake()
        resolve(this.#end)
      })
    })
  }

  hello(hello: v1.Hello.$Properties = {}): void {
    this.send({
      hello: { contractVersion: 1, worker: 'by hand', sdk: 'test', handlers: ['default'], credits: 10, ...hello },
    })
  }

  send(request: WorkRequest): void {
    this.#stream.write(request)
  }

  settle(lease: number, status: v1.Status = Status.STATUS_COMPLETED, more: v1.Settlement.$Properties = {}): void {
    this.send({ settlements: { settlements: [{ lease, status, ...more }] } })
  }

  /** Answers each lease as completed as soon as it has it. */
  obey(): void {
    for (const { id } of this.leases) this.settle(id)
    this.onLease = ({ id }) => this.settle(id)
  }

  beat(): void {
    this.send({ heartbeat: { sentAtMs: performance.now() } })
  }

  /** Nothing more is read, nothing is answered, and the connection stays. */
  freeze(): void {
    this.#stream.pause()
  }

  /** Half-closes: it has nothing more to say. */
  finish(): void {
    this.#stream.end()
  }

  /** The connection breaks. */
  drop(): void {
    this.#stream.cancel()
    this.#client.close()
  }

  /** Resolves when it holds true; rejects where the stream ends before. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      if (this.#end !== undefined) throw new Error(`the stream ended: ${this.#end.code} ${this.#end.details}`)
      await new Promise<void>((wake) => this.#waiters.add(wake))
    }
  }

  /** Resolves when so many leases have come. */
  async leased(count: number): Promise<readonly HeldLease[]> {
    await this.until(() => this.leases.length >= count)
    return this.leases
  }

  async welcomed(): Promise<v1.Welcome.$Properties> {
    await this.until(() => this.welcome !== undefined)
    return this.welcome ?? {}
  }

  #wake(): void {
    for (const wake of this.#waiters) wake()
    this.#waiters.clear()
  }

  #onResponse(response: WorkResponse): void {
    this.received.push(response)
    if (response.welcome) this.welcome = response.welcome
    this.cancelled.push(...(response.cancel?.leases ?? []).map(numberOf))
    for (const run of response.leases?.runs ?? []) {
      for (const lease of run.leases ?? []) {
        const held = {
          id: numberOf(lease.id),
          topic: run.topic ?? '',
          partition: run.partition ?? 0,
          offset: numberOf(lease.message?.offset),
          attempt: lease.attempt ?? 0,
          deadlineMs: lease.deadlineMs ?? 0,
          message: lease.message ?? {},
        }
        this.leases.push(held)
        this.onLease(held)
      }
    }
    this.#wake()
  }
}
