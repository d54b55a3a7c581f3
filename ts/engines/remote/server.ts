/**
 * The gRPC server that workers dial. A stream becomes a session once whoever opened it is admitted; a connection without
 * a stream is closed after a while.
 */
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { workerService } from '../../contracts/worker-contract.js'
import { Listener, type ListenerOptions } from '../../net/listener.js'
import type { Logger } from '../../ports/logger.js'
import type { Admission, Admit } from './admission.js'
import { type Ending, Session, type WorkCall } from './session.js'
import type { Workers } from './workers.js'

/** A worker needs one; another one while it replaces the first. */
const STREAMS_PER_CONNECTION = 2
/** What a frame has besides the bytes of a message, or of its outputs. */
const FRAME_OVERHEAD_BYTES = 1024 * 1024
/** ms in which a stream that was ended may tell its worker why. */
const CLOSING_MS = 500

export class WorkerServer {
  readonly #workers: Workers
  readonly #admit: Admit
  readonly #server: Server
  readonly #listener: Listener
  #sessions = 0

  private constructor(workers: Workers, admit: Admit, server: Server, listener: Listener) {
    this.#workers = workers
    this.#admit = admit
    this.#server = server
    this.#listener = listener
  }

  /** @throws LanewayError `LISTEN_FAILED` */
  static async listen(
    workers: Workers,
    admit: Admit,
    options: Pick<ListenerOptions, 'address' | 'tls'>,
    logger: Logger,
  ): Promise<WorkerServer> {
    const { maxMessageBytes, maxWorkers, helloTimeoutMs, heartbeat } = workers.limits
    const server = new Server({
      'grpc.max_receive_message_length': maxMessageBytes + FRAME_OVERHEAD_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION,
      'grpc.max_connection_idle_ms': helloTimeoutMs,
      // A connection whose other end is gone without a word: its streams have ended by then, for want of heartbeats.
      'grpc.keepalive_time_ms': heartbeat.timeout,
      'grpc.keepalive_timeout_ms': heartbeat.timeout,
    })
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
    const listener = await Listener.open(
      // Twice as many, so that those above the number of workers are told so.
      { ...options, maxConnections: 2 * maxWorkers, handshakeTimeoutMs: helloTimeoutMs },
      (socket) => injector.injectConnection(socket),
      logger,
    )
    const opened = new WorkerServer(workers, admit, server, listener)
    server.addService(workerService, { work: (call: WorkCall) => void opened.#open(call) })
    return opened
  }

  get address(): string {
    return this.#listener.address
  }

  /** Ends every connection; streams that have ended may still say so. */
  async close(): Promise<void> {
    this.#listener.close()
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve())),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSING_MS)
      }),
    ])
    clearTimeout(timer)
    this.#server.forceShutdown()
    this.#listener.destroy()
  }

  async #open(call: WorkCall): Promise<void> {
    const admission = await this.#admitted(call)
    if (admission === undefined || call.cancelled) return
    const { refusal } = this.#workers
    if (refusal !== undefined) return refuse(call, refusal)
    this.#sessions += 1
    this.#workers.opened(new Session(`${admission.name}-${this.#sessions}`, call, admission, this.#workers))
  }

  async #admitted(call: WorkCall): Promise<Admission | undefined> {
    call.on('error', () => undefined)
    try {
      return await this.#admit(call.metadata)
    } catch (error) {
      refuse(call, { code: 'UNAUTHENTICATED', message: error instanceof Error ? error.message : String(error) })
      return undefined
    }
  }
}

function refuse(call: WorkCall, { code, message }: Ending): void {
  call.emit('error', { code: status[code], details: message })
}
