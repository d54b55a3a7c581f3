/**
 * Worker: dials a laneway host, runs handlers for it, and dials again when the host is lost. One session follows the
 * other; handlers that outlive theirs keep their places (slots.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Metadata, status } from '@grpc/grpc-js'
import { workerService } from '../contracts/worker-contract.js'
import { LanewayError } from '../errors.js'
import { clientOf, metadataWith } from '../net/channel.js'
import type { Message } from '../ports/engine.js'
import { exponentialBackoff } from '../retry.js'
import type { WorkerHandler } from './attempt.js'
import { parseWorkerOptions, type WorkerConfig, type WorkerOptions } from './options.js'
import { SDK } from './sdk.js'
import { Session, type SessionEnd } from './session.js'
import { Slots } from './slots.js'

/** How long cancelled handlers may take to end before the stream is closed without them, in ms. */
const CANCEL_GRACE_MS = 1_000

const CHANNEL_OPTIONS = {
  // The host bounds its frames, and its messages by what the worker says in its hello.
  'grpc.max_receive_message_length': -1,
  // The worker has a backoff of its own: a channel that remembered failures would add to it.
  'grpc.use_local_subchannel_pool': 1,
}

/** What the host says before its welcome that another attempt cannot change. */
const REFUSALS: ReadonlySet<status> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
])

/**
 * A worker of a laneway host.
 *
 * @example
 * const worker = new Worker({ handlers: { score: async (message, { signal }) => { await score(message, signal) } } })
 * await worker.run()
 */
export class Worker {
  readonly #config: WorkerConfig
  readonly #handlers: ReadonlyMap<string, WorkerHandler<Message>>
  readonly #slots: Slots
  readonly #draining = new AbortController()
  #running: Promise<void> | undefined
  #session: Session | undefined
  #hostSeenAt = performance.now()
  #failedDials = 0

  /** @throws LanewayError `CONFIG_INVALID`: every wrong option is named; nothing is dialled yet */
  constructor(options: WorkerOptions) {
    this.#config = parseWorkerOptions(options)
    this.#handlers = new Map(Object.entries(this.#config.handlers))
    this.#slots = new Slots(this.#config.concurrency)
  }

  /**
   * Handles messages until the worker is drained, by {@link drain} or by a signal (the option `drainOn`). A host that
   * goes away is dialled again, with exponential backoff and jitter.
   *
   * @returns a promise that resolves when the worker is drained
   * @throws LanewayError `ALREADY_RUNNING`, `WORKER_REFUSED` (the host does not want this worker: the token, the
   * certificate, the names of the handlers), or `HOST_UNREACHABLE` (after the option `giveUpAfter`)
   */
  async run(): Promise<void> {
    if (this.#running !== undefined) throw new LanewayError('ALREADY_RUNNING', 'this worker runs already')
    const { drainOn } = this.#config
    const onSignal = (signal: NodeJS.Signals) => this.#onSignal(signal)
    for (const signal of drainOn) process.on(signal, onSignal)
    try {
      this.#running = this.#serve()
      await this.#running
    } finally {
      for (const signal of drainOn) process.off(signal, onSignal)
    }
  }

  /**
   * Takes nothing new, lets what runs end, gives back what has not started, tells the host all of it, and closes the
   * stream. Handlers that run longer than the option `drainTimeout` are cancelled. Idempotent.
   *
   * @returns a promise that resolves when `run()` does
   */
  async drain(): Promise<void> {
    this.#beginDrain('the worker is drained')
    await this.#running?.catch(() => undefined)
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (this.#draining.signal.aborted) this.#cancel(`a second signal, ${signal}`)
    else this.#beginDrain(signal)
  }

  #beginDrain(reason: string): void {
    if (this.#draining.signal.aborted) return
    this.#draining.abort()
    const session = this.#session
    if (session === undefined) return
    session.drain(reason)
    const timer = setTimeout(() => this.#cancel('the drain takes too long'), this.#config.drainTimeout)
    void session.ended.then(() => clearTimeout(timer))
  }

  /** Handlers that end at once are still answered for. */
  #cancel(reason: string): void {
    const session = this.#session
    if (session === undefined) return
    session.cancel(new LanewayError('CANCELLED', `the worker ends: ${reason}`))
    const timer = setTimeout(() => this.#abandon(session), CANCEL_GRACE_MS)
    void session.ended.then(() => clearTimeout(timer))
  }

  #abandon(session: Session): void {
    this.#config.logger.warn(`${this.#slots.taken} handlers did not end in time; their messages come again`)
    session.close()
  }

  async #serve(): Promise<void> {
    const { reconnect, logger, address } = this.#config
    const delay = exponentialBackoff(reconnect)
    this.#hostSeenAt = performance.now()
    while (!this.#draining.signal.aborted) {
      const end = await this.#dial()
      if (this.#draining.signal.aborted) return
      this.#requireHope(end)
      this.#failedDials += 1
      logger.warn(`no host at ${address.text}: ${end.reason}; dialling again`, { code: status[end.code] })
      await sleep(delay(this.#failedDials), undefined, { signal: this.#draining.signal }).catch(() => undefined)
    }
  }

  /** @throws LanewayError where dialling again is of no use */
  #requireHope({ code, reason, wasWelcome }: SessionEnd): void {
    const { address, giveUpAfter } = this.#config
    if (!wasWelcome && REFUSALS.has(code)) {
      const text = `the host at ${address.text} refuses this worker: ${status[code]}: ${reason}`
      throw new LanewayError('WORKER_REFUSED', text, { fatal: true })
    }
    if (performance.now() - this.#hostSeenAt < giveUpAfter) return
    const text = `no host at ${address.text} for ${giveUpAfter} ms: ${reason}`
    throw new LanewayError('HOST_UNREACHABLE', text, { retriable: true, fatal: true })
  }

  /** One session, from its dial to its end. */
  async #dial(): Promise<SessionEnd> {
    const { address, tls, token, name, credits, maxMessageBytes } = this.#config
    let metadata: Metadata
    try {
      metadata = metadataWith(typeof token === 'function' ? await token() : token)
    } catch (error) {
      return { code: status.UNAVAILABLE, reason: `there is no token: ${String(error)}`, wasWelcome: false }
    }
    if (this.#draining.signal.aborted) return { code: status.OK, reason: 'drained', wasWelcome: false }
    const client = clientOf(address, tls, CHANNEL_OPTIONS)
    const { path, requestSerialize, responseDeserialize } = workerService.work
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata)
    this.#session = new Session(call, {
      hello: { worker: name, sdk: SDK, credits, maxMessageBytes: maxMessageBytes ?? 0 },
      handlers: this.#handlers,
      slots: this.#slots,
      onWelcome: (session) => this.#onWelcome(session),
    })
    try {
      const end = await this.#session.ended
      if (end.wasWelcome) this.#hostSeenAt = performance.now()
      return end
    } finally {
      this.#session = undefined
      client.close()
    }
  }

  #onWelcome(session: string): void {
    this.#failedDials = 0
    this.#config.logger.info(`host at ${this.#config.address.text} reached`, { session })
  }
}
