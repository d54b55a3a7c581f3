/**
 * What both executors of the inline engine share: taking in turns of the event loop, settling, what becomes of failures,
 * and stopping. What asynchronous handlers settle is handed over once per turn: all that ends in one burst of microtasks
 * shares one take, and nothing waits longer than that turn.
 *
 * Handlers give the event loop its turn by time, not by count, because only time is what others wait for; asynchronous
 * ones too, because many never wait for anything, and a chain of microtasks keeps the event loop as a plain loop does.
 */
import { LanewayError } from '../../errors.js'
import type { MessageBatch } from '../../message-batch.js'
import type { Outcome } from '../../native.js'
import type { HandlerHost, StopMode, Taker } from '../../ports/engine.js'
import { type Place, Settler } from '../settler.js'
import { LiveAttempts } from './attempt.js'
import { Fences } from './fences.js'

/** How long handlers may keep the event loop, in ms: twice where promises end at once when a turn has just ended. */
export const TURN_MS = 5
/** The clock is looked at after so many handlers while they are fast, after each one when they are not. */
const MAX_HANDLERS_PER_CLOCK = 64
const FAST_MS = 0.25

/** What an executor is made of where handlers run on a thread that may be lost. */
export interface Parts {
  attempts(host: HandlerHost, taker: Taker): LiveAttempts
  fences(host: HandlerHost): Fences
}

const ownParts: Parts = {
  attempts: (host, taker) => new LiveAttempts(host, taker),
  fences: (host) => new Fences(host),
}

/** From its start on; an engine that has none has not been started. */
export abstract class Executor {
  readonly attempts: LiveAttempts
  readonly fences: Fences
  protected readonly host: HandlerHost
  readonly #settler: Settler
  /** Handlers whose promise is awaited. */
  #awaited = 0
  #stop: StopMode | undefined
  #pumping = false
  #turnScheduled = false
  #turnEndsAt = 0
  #clockSeenAt = 0
  #handlersPerClock = 1
  #handlersUntilClock = 1
  readonly #waitingForDrain = new Set<() => void>()

  constructor(host: HandlerHost, parts = ownParts) {
    this.host = host
    // Not a turn at once: where messages come in as fast as they are handled, one call of Node's follows the other without
    // a turn of the event loop between them.
    const taker = host.attach(() => this.scheduleTurn())
    this.#settler = new Settler(host, taker)
    this.attempts = parts.attempts(host, taker)
    this.fences = parts.fences(host)
    this.scheduleTurn()
  }

  /** Takes and runs until nothing is ready, every lane that may run is awaited, or the turn is over. */
  protected abstract runTurn(): void
  /** True when nothing that was taken waits to be started. */
  protected abstract isIdle(): boolean
  /** Forgets what was taken and has not started: native code has it back. */
  protected abstract discard(): void

  get stopping(): boolean {
    return this.#stop !== undefined
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    if (this.#stop === 'abort') return
    this.#stop = mode
    if (mode === 'drain') return this.#drain(deadlineMs)
    this.attempts.abort(new LanewayError('CONSUMER_CLOSED', 'the consumer is closed without waiting for its handlers'))
    this.#settler.flush()
    this.#settler.taker.detach()
    this.discard()
    this.#announceDrained()
  }

  async #drain(deadlineMs: number): Promise<void> {
    this.scheduleTurn()
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

  /** Soon, once, and after everything that is due in the event loop now. */
  scheduleTurn(): void {
    if (this.#turnScheduled || this.#stop === 'abort') return
    this.#turnScheduled = true
    setImmediate(() => {
      this.#turnScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#pumping || this.#stop === 'abort') return
    this.#pumping = true
    try {
      this.#beginTurn()
      this.runTurn()
      if (this.stopping) this.#endTurnOfDrain()
    } catch (error) {
      this.host.fail(error)
    } finally {
      this.#pumping = false
    }
  }

  #beginTurn(): void {
    this.#clockSeenAt = performance.now()
    this.#turnEndsAt = this.#clockSeenAt + TURN_MS
  }

  #endTurnOfDrain(): void {
    this.#settler.flush()
    if (this.#awaited === 0 && this.isIdle()) this.#announceDrained()
  }

  /** An abort inside a handler ends everything; the end of the turn goes on in the next one. */
  protected mayGoOn(): boolean {
    if (this.#stop === 'abort') return false
    if (!this.isTurnOver()) return true
    this.scheduleTurn()
    return false
  }

  /** Called after every handler that ended well: true when others must have their turn first. */
  isTurnOver(): boolean {
    this.#handlersUntilClock -= 1
    if (this.#handlersUntilClock > 0) return false
    const now = performance.now()
    const isFast = now - this.#clockSeenAt < FAST_MS
    this.#handlersPerClock = isFast ? Math.min(this.#handlersPerClock * 2, MAX_HANDLERS_PER_CLOCK) : 1
    this.#handlersUntilClock = this.#handlersPerClock
    this.#clockSeenAt = now
    return now >= this.#turnEndsAt
  }

  /** undefined when nothing is ready: the pump is called when something is. */
  protected take(
    maxMessages: number,
    maxBytes: number,
    maxRun?: number,
    sequential?: boolean,
  ): MessageBatch | undefined {
    const batch = this.#settler.take(maxMessages, maxBytes, maxRun, sequential)
    if (batch !== undefined) this.fences.meet(batch)
    return batch
  }

  /** The time, as of about this turn. */
  get clock(): number {
    return this.#clockSeenAt
  }

  settle(batch: MessageBatch, index: number, outcome: Outcome): void {
    if (this.#stop !== 'abort') this.#settler.settle(batch, index, outcome)
  }

  /** True where the message is settled all the same, and its run goes on. */
  failed(error: unknown, batch: MessageBatch, index: number, place: Place, runEnd?: number): boolean {
    return this.#stop !== 'abort' && this.#settler.failed(error, batch, index, place, runEnd)
  }

  /** A promise is awaited; `resumed` follows as soon as it has ended. */
  awaiting(): void {
    this.#awaited += 1
  }

  resumed(): void {
    this.#awaited -= 1
    if (this.#turnScheduled) return
    // The first promise to end since the last turn: whatever follows it in this burst shares one.
    this.#beginTurn()
    this.scheduleTurn()
  }

  broken(error: unknown): void {
    this.host.fail(error)
  }
}
