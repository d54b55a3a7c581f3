/**
 * Attempts that run: their signals, their timeouts and what they send.
 *
 * A signal is made only where a handler asks for it, because most do not. All timeouts are equally long, so that attempts
 * time out in the order in which they began: one map in that order and one timer serve them all. A timeout only aborts
 * the signal; the attempt ends, as failed, when its handler does, because only then may its lane go on (P2).
 */
import { LanewayError } from '../../errors.js'
import type { MessageBatch } from '../../message-batch.js'
import { outgoing } from '../../outgoing.js'
import type { HandlerContext, HandlerHost, OutgoingRecord, Taker } from '../../ports/engine.js'

/** What can be aborted. */
interface Abortable {
  abort(reason: LanewayError): void
}

/** Where a message is among those that were taken. */
export interface MessageOfBatch {
  readonly batch: MessageBatch
  readonly index: number
}

/** The attempts of one executor. */
export class LiveAttempts {
  readonly #host: HandlerHost
  readonly #taker: Taker
  readonly #withSignals = new Set<Abortable>()
  /** In the order in which they began; the value is when they time out. */
  readonly #timed = new Map<Abortable, number>()
  #timer: NodeJS.Timeout | undefined
  #reason: LanewayError | undefined

  constructor(host: HandlerHost, taker: Taker) {
    this.#host = host
    this.#taker = taker
  }

  begin(batch: MessageBatch, index: number): Attempt {
    return new Attempt(this, batch, index)
  }

  beginBatch(_entries: readonly MessageOfBatch[]): BatchAttempt {
    return new BatchAttempt(this)
  }

  /** Why everything was aborted. */
  get reason(): LanewayError | undefined {
    return this.#reason
  }

  signalAsked(attempt: Abortable): void {
    this.#withSignals.add(attempt)
  }

  get timesOut(): boolean {
    return this.#host.handlerTimeoutMs !== 0
  }

  /** From here on the attempt may time out. */
  watch(attempt: Abortable): void {
    if (!this.timesOut) return
    const { handlerTimeoutMs } = this.#host
    this.#timed.set(attempt, performance.now() + handlerTimeoutMs)
    this.#timer ??= this.#wakeIn(handlerTimeoutMs)
  }

  ended(attempt: Abortable): void {
    if (this.#withSignals.size > 0) this.#withSignals.delete(attempt)
    if (this.#timed.size > 0) this.#timed.delete(attempt)
  }

  abort(reason: LanewayError): void {
    this.#reason = reason
    for (const attempt of this.#withSignals) attempt.abort(reason)
    this.#withSignals.clear()
    this.#timed.clear()
    clearTimeout(this.#timer)
  }

  send(batch: MessageBatch, index: number, record: OutgoingRecord): void {
    if (!this.#host.isTransactional) {
      throw new LanewayError('NOT_TRANSACTIONAL', 'send() needs the option transactional')
    }
    const { topic, partition, key, value, timestamp, headers } = outgoing(record)
    const lease = batch.firstLease + index
    const isHeld = this.#taker.output(lease, batch.slots[index] ?? 0, topic, partition, key, value, timestamp, headers)
    if (!isHeld) throw new LanewayError('LEASE_LOST', 'the partition of this message is not this consumer’s any more')
  }

  #wakeIn(delayMs: number): NodeJS.Timeout {
    const timer = setTimeout(() => this.#timeOutWhatIsDue(), delayMs)
    // What runs keeps the process alive by itself.
    timer.unref()
    return timer
  }

  #timeOutWhatIsDue(): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [attempt, dueAt] of this.#timed) {
      if (dueAt > now) {
        this.#timer = this.#wakeIn(Math.ceil(dueAt - now))
        return
      }
      this.#timed.delete(attempt)
      const { handlerTimeoutMs } = this.#host
      attempt.abort(new LanewayError('HANDLER_TIMEOUT', `the handler ran longer than ${handlerTimeoutMs} ms`))
    }
  }
}

/** A signal that exists once it was asked for. */
class LazySignal implements Abortable {
  readonly #live: LiveAttempts
  #controller: AbortController | undefined
  #reason: LanewayError | undefined
  #isEnded = false

  constructor(live: LiveAttempts) {
    this.#live = live
  }

  protected get live(): LiveAttempts {
    return this.#live
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      const reason = this.#reason ?? (this.#isEnded ? undefined : this.#live.reason)
      if (reason !== undefined) this.#controller.abort(reason)
      else if (!this.#isEnded) this.#live.signalAsked(this)
    }
    return this.#controller.signal
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  watch(): void {
    this.#live.watch(this)
  }

  abort(reason: LanewayError): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  /** Why it has failed whatever its handler says: it timed out. */
  end(): LanewayError | undefined {
    this.#isEnded = true
    this.#live.ended(this)
    return this.#reason?.code === 'HANDLER_TIMEOUT' ? this.#reason : undefined
  }
}

function requireRunning({ isEnded }: { readonly isEnded: boolean }): void {
  if (isEnded) throw new LanewayError('LEASE_LOST', 'the handler of this message has ended')
}

/**
 * One attempt of one message. There is one for each message, so it is made of little: whoever asks for a signal, or may
 * time out, gets the rest. It extends no class, because a constructor that calls another one costs as much as the message.
 */
export class Attempt implements HandlerContext {
  readonly #live: LiveAttempts
  readonly #batch: MessageBatch
  readonly #index: number
  #isEnded = false
  #lazy: LazySignal | undefined

  constructor(live: LiveAttempts, batch: MessageBatch, index: number) {
    this.#live = live
    this.#batch = batch
    this.#index = index
  }

  get signal(): AbortSignal {
    return this.#lazySignal().signal
  }

  get attempt(): number {
    return this.#batch.attempts[this.#index] ?? 1
  }

  get firstFailedAt(): number | undefined {
    return this.#batch.firstFailedAt(this.#index)
  }

  /** A function of its own, because handlers take it out of their context: `(message, { send }) => ...`. */
  get send(): HandlerContext['send'] {
    return (record) => {
      requireRunning({ isEnded: this.#isEnded })
      this.#live.send(this.#batch, this.#index, record)
    }
  }

  watch(): void {
    if (this.#live.timesOut) this.#lazySignal().watch()
  }

  /** Why it has failed whatever its handler says: it timed out. */
  end(): LanewayError | undefined {
    this.#isEnded = true
    return this.#lazy?.end()
  }

  #lazySignal(): LazySignal {
    if (this.#lazy === undefined) {
      this.#lazy = new LazySignal(this.#live)
      if (this.#isEnded) this.#lazy.end()
    }
    return this.#lazy
  }
}

/** One attempt of a batch of messages. */
export class BatchAttempt extends LazySignal {
  send(batch: MessageBatch, index: number, record: OutgoingRecord): void {
    requireRunning(this)
    this.live.send(batch, index, record)
  }
}
