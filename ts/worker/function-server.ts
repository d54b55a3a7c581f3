/**
 * Simple functions (FunctionService): a server that a host calls once for each message, with `callFunction()`. What a
 * handler is told, and what becomes of how it ends, is as in a worker.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { type CallRequest, type CallResponse, functionService } from '../contracts/worker-contract.js'
import { LanewayError } from '../errors.js'
import { bearerToken } from '../net/bearer-token.js'
import { Listener } from '../net/listener.js'
import type { Message } from '../ports/engine.js'
import { type Answer, completed, failed } from './answers.js'
import { Attempt, type WorkerHandler } from './attempt.js'
import {
  type FunctionServerConfig,
  type FunctionServerOptions,
  parseFunctionServerOptions,
} from './function-options.js'
import { LeasedMessage } from './message.js'

/** What a call has besides the bytes of its message. */
const FRAME_OVERHEAD_BYTES = 1024 * 1024
/** Many hosts may keep a connection; each call is bounded by itself. */
const CONNECTIONS_PER_CALL = 4
const HANDSHAKE_TIMEOUT_MS = 10_000
const DEFAULT_GRACE_MS = 25_000

type Call = ServerUnaryCall<CallRequest, CallResponse>

class Refusal extends Error {
  constructor(
    readonly code: status,
    message: string,
  ) {
    super(message)
  }
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** When the call ends, by the worker's clock. */
function deadlineOf(call: Call): number {
  const deadline = call.getDeadline()
  return performance.now() + Number(deadline) - Date.now()
}

class Functions {
  readonly #handlers: ReadonlyMap<string, WorkerHandler<Message>>
  readonly #concurrency: number
  readonly #tokenDigest: Buffer | undefined
  readonly #running = new Set<Attempt>()

  constructor({ handlers, concurrency, token }: FunctionServerConfig) {
    this.#handlers = new Map(Object.entries(handlers))
    this.#concurrency = concurrency
    this.#tokenDigest = token === undefined ? undefined : digestOf(token)
  }

  /** Every handler is to end now. */
  cancel(reason: LanewayError): void {
    for (const attempt of this.#running) attempt.cancel(reason)
  }

  async answer(call: Call, respond: sendUnaryData<CallResponse>): Promise<void> {
    try {
      const handler = this.#handlerFor(call)
      respond(null, { settlement: await this.#run(handler, call) })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      respond({ code: error.code, details: error.message })
    }
  }

  /** @throws Refusal */
  #handlerFor({ metadata, request }: Call): WorkerHandler<Message> {
    if (!this.#isAuthorized(metadata)) {
      throw new Refusal(status.UNAUTHENTICATED, 'the bearer token is missing or wrong')
    }
    const handler = this.#handlers.get(request.handler ?? '')
    if (handler === undefined) {
      throw new Refusal(status.NOT_FOUND, `there is no handler ${JSON.stringify(request.handler)} here`)
    }
    if (this.#running.size >= this.#concurrency) {
      throw new Refusal(status.RESOURCE_EXHAUSTED, `${this.#concurrency} calls run already`)
    }
    return handler
  }

  #isAuthorized(metadata: Metadata): boolean {
    if (this.#tokenDigest === undefined) return true
    return timingSafeEqual(digestOf(bearerToken(metadata) ?? ''), this.#tokenDigest)
  }

  async #run(handler: WorkerHandler<Message>, call: Call): Promise<Answer> {
    const { topic, partition, message, attempt: number, firstFailedAtMs } = call.request
    const attempt = new Attempt({
      number: number ?? 1,
      firstFailedAtMs,
      metadata: message?.metadata ?? {},
      deadlineMs: deadlineOf(call),
      // The host says so where it does not.
      takesOutputs: true,
    })
    this.#running.add(attempt)
    call.on('cancelled', () => attempt.cancel(new LanewayError('CANCELLED', 'the host has cancelled the call')))
    try {
      await handler(new LeasedMessage(topic ?? '', partition ?? 0, message ?? {}), attempt)
      return completed(attempt.outputs)
    } catch (error) {
      return failed(error)
    } finally {
      attempt.end()
      this.#running.delete(attempt)
    }
  }
}

/** Serves until it is closed. Made by {@link serveFunction}. */
export class FunctionServer implements AsyncDisposable {
  /** Where it listens; with the port that was chosen where 0 was asked for. */
  readonly address: string
  readonly #server: Server
  readonly #listener: Listener
  readonly #functions: Functions
  #closing: Promise<void> | undefined

  private constructor(server: Server, listener: Listener, functions: Functions) {
    this.#server = server
    this.#listener = listener
    this.#functions = functions
    this.address = listener.address
  }

  static async listen(config: FunctionServerConfig): Promise<FunctionServer> {
    const functions = new Functions(config)
    const server = new Server({
      'grpc.max_receive_message_length': config.maxMessageBytes + FRAME_OVERHEAD_BYTES,
      'grpc.max_send_message_length': -1,
    })
    server.addService(functionService, {
      call: (call: Call, respond: sendUnaryData<CallResponse>) => void functions.answer(call, respond),
    })
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
    const listener = await Listener.open(
      {
        address: config.listen,
        tls: config.tls,
        maxConnections: CONNECTIONS_PER_CALL * config.concurrency,
        handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      },
      (socket) => injector.injectConnection(socket),
      config.logger,
    )
    return new FunctionServer(server, listener, functions)
  }

  /**
   * Takes no new calls, and lets those that run end; after the grace their signals fire and their connections end.
   * Idempotent.
   *
   * @param graceMs default: 25,000
   */
  async close(graceMs = DEFAULT_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(graceMs: number): Promise<void> {
    this.#listener.close()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#functions.cancel(new LanewayError('CANCELLED', 'the server is closed'))
        resolve()
      }, graceMs)
    })
    await Promise.race([new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve())), late])
    clearTimeout(timer)
    this.#server.forceShutdown()
    this.#listener.destroy()
  }
}

/**
 * Serves handlers, by name, to hosts that call with `callFunction()`.
 *
 * @throws LanewayError `CONFIG_INVALID`, with every wrong option in `issues`, or `LISTEN_FAILED`
 * @example
 * const server = await serveFunction({ listen: '127.0.0.1:7071', handlers: { default: async (message) => { await score(message) } } })
 */
export async function serveFunction(options: FunctionServerOptions): Promise<FunctionServer> {
  return FunctionServer.listen(parseFunctionServerOptions(options))
}
