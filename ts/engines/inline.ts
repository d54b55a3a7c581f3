/**
 * The inline engine: runs handlers on the thread that called `run()`.
 *
 * A synchronous handler costs no promise: its run is a plain loop, and its settlements travel with the next take. Where
 * a handler returns a promise, the rest of its run goes on from that promise's callback, one message after the other,
 * with two closures for the whole run. What asynchronous handlers settle is handed over once per turn of the event
 * loop: all that ends in one burst of microtasks shares one take, and nothing waits longer than that turn.
 *
 * Handlers give the event loop its turn by time, not by count, because only time is what others wait for; asynchronous
 * ones too, because many never wait for anything, and a chain of microtasks keeps the event loop as a plain loop does.
 * It must not decide what becomes of a failed message (the host does), nor start two messages of one run at once.
 */
import { LanewayError } from '../errors.js'
import { BatchMessage, MessageBatch } from '../message-batch.js'
import { Outcome } from '../native.js'
import type { Engine, EngineHost, HandlerContext, StopMode, Taker } from '../ports/engine.js'

/** Most messages in one batch; slow synchronous handlers get fewer, down to the minimum. */
const MAX_MESSAGES = 2048
const MIN_MESSAGES = 16
const MAX_BYTES = 4 * 1024 * 1024
/** How long handlers may keep the event loop, in ms: twice where promises end at once when a turn has just ended. */
const TURN_MS = 5
/** The clock is looked at after so many handlers while they are fast, after each one when they are not. */
const MAX_HANDLERS_PER_CLOCK = 64
const FAST_MS = 0.25
const MAX_DELAY_MS = 2 ** 31 - 1

type Place = ReturnType<EngineHost['partition']>

/** The signals of the attempts that run now. Each attempt has its own, so that what a handler hangs on it goes with it. */
class LiveSignals {
  readonly #controllers = new Set<AbortController>()
  #reason: LanewayError | undefined

  open(): AbortController {
    const controller = new AbortController()
    if (this.#reason === undefined) this.#controllers.add(controller)
    else controller.abort(this.#reason)
    return controller
  }

  close(controller: AbortController): void {
    this.#controllers.delete(controller)
  }

  abort(reason: LanewayError): void {
    this.#reason = reason
    for (const controller of this.#controllers) controller.abort(reason)
    this.#controllers.clear()
  }
}

/** The signal is made only where a handler asks for it, because most do not. */
class Context implements HandlerContext {
  readonly attempt: number
  /** undefined once the attempt has ended. */
  #live: LiveSignals | undefined
  #controller: AbortController | undefined

  constructor(live: LiveSignals, attempt: number) {
    this.#live = live
    this.attempt = attempt
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#live?.open() ?? new AbortController()
    return this.#controller.signal
  }

  end(): void {
    if (this.#controller !== undefined) this.#live?.close(this.#controller)
    this.#live = undefined
  }
}

/** Settlements on their way to native code, in the columns that RawTaker describes. */
class SettlementColumns {
  readonly #capacity: number
  readonly #leases: Float64Array
  readonly #slots: Uint32Array
  readonly #delays: Uint32Array
  readonly #outcomes: Uint8Array
  #count = 0

  constructor({ settlements, settlementCapacity }: Taker) {
    this.#capacity = settlementCapacity
    this.#leases = new Float64Array(settlements, 0, settlementCapacity)
    this.#slots = new Uint32Array(settlements, 8 * settlementCapacity, settlementCapacity)
    this.#delays = new Uint32Array(settlements, 12 * settlementCapacity, settlementCapacity)
    this.#outcomes = new Uint8Array(settlements, 16 * settlementCapacity, settlementCapacity)
  }

  /** True when there is no room for another one. */
  add(batch: MessageBatch, index: number, outcome: Outcome, delayMs: number): boolean {
    const at = this.#count
    this.#leases[at] = batch.firstLease + index
    this.#slots[at] = batch.slots[index] ?? 0
    this.#delays[at] = delayMs
    this.#outcomes[at] = outcome
    this.#count = at + 1
    return this.#count === this.#capacity
  }

  /** How many there are; the next one goes to the start. */
  empty(): number {
    const count = this.#count
    this.#count = 0
    return count
  }
}

/** A batch of which runs may not have started yet. */
interface Work {
  readonly batch: MessageBatch
  readonly startedAt: number
  nextRun: number
}

/** What a run needs of its engine. */
interface RunOwner {
  readonly signals: LiveSignals
  readonly stopping: boolean
  settle(batch: MessageBatch, index: number, outcome: Outcome, delayMs: number): void
  failed(error: unknown, batch: MessageBatch, index: number, message: BatchMessage): void
  /** Called after every handler that ended well: true when others must have their turn first. */
  isTurnOver(): boolean
  /** The run goes on in a later turn. */
  postponed(run: Run): void
  /** A promise is awaited; `resumed` follows as soon as it has ended. */
  awaiting(): void
  resumed(): void
  broken(error: unknown): void
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Consecutive messages of one lane, one handler at a time. */
class Run {
  readonly #owner: RunOwner
  readonly #host: EngineHost
  readonly #batch: MessageBatch
  readonly #place: Place
  readonly #end: number
  #index: number
  /** Of the message whose promise is awaited. */
  #context: Context | undefined
  #onResolved: (() => void) | undefined
  #onRejected: ((error: unknown) => void) | undefined

  constructor(owner: RunOwner, host: EngineHost, batch: MessageBatch, run: number) {
    this.#owner = owner
    this.#host = host
    this.#batch = batch
    this.#place = host.partition(batch.runPartitions[run] ?? 0)
    this.#index = batch.runStarts[run] ?? 0
    this.#end = batch.runStarts[run + 1] ?? 0
  }

  /** Until the end, a failure, a promise, the end of the turn, or the engine's stop. */
  proceed(): void {
    while (this.#runNext() && this.#mayGoOn());
  }

  /** False where the message is not settled now. */
  #runNext(): boolean {
    const owner = this.#owner
    const batch = this.#batch
    const index = this.#index
    if (owner.stopping) {
      // Nothing new starts: this message and the later ones go back to their lane.
      owner.settle(batch, index, Outcome.Released, 0)
      return false
    }
    const context = new Context(owner.signals, batch.attempts[index] ?? 1)
    try {
      const result = this.#host.handler(this.#message(), context)
      if (isThenable(result)) {
        this.#await(result, context)
        return false
      }
    } catch (error) {
      context.end()
      owner.failed(error, batch, index, this.#message())
      return false
    }
    context.end()
    this.#completed()
    return true
  }

  /** A view like any other: cheaper made again after a failure than kept for one. */
  #message(): BatchMessage {
    return new BatchMessage(this.#batch, this.#index, this.#place)
  }

  #completed(): void {
    this.#owner.settle(this.#batch, this.#index, Outcome.Completed, 0)
    this.#index += 1
  }

  /** False where there is no next message, or it must wait for its turn. */
  #mayGoOn(): boolean {
    if (this.#index === this.#end) return false
    if (!this.#owner.isTurnOver()) return true
    this.#owner.postponed(this)
    return false
  }

  #await(result: PromiseLike<unknown>, context: Context): void {
    this.#context = context
    this.#onResolved ??= () => this.#resolved()
    this.#onRejected ??= (error) => this.#rejected(error)
    // A foreign thenable may call back at once or twice; a promise made of it does neither.
    const promise = result instanceof Promise ? result : Promise.resolve(result)
    promise.then(this.#onResolved, this.#onRejected)
    this.#owner.awaiting()
  }

  #resolved(): void {
    this.#owner.resumed()
    try {
      this.#context?.end()
      this.#completed()
      if (this.#mayGoOn()) this.proceed()
    } catch (error) {
      this.#owner.broken(error)
    }
  }

  /** The later messages of the run go back to their lane with this one. */
  #rejected(reason: unknown): void {
    this.#owner.resumed()
    try {
      this.#context?.end()
      this.#owner.failed(reason, this.#batch, this.#index, this.#message())
    } catch (error) {
      this.#owner.broken(error)
    }
  }
}

/** Takes batches and runs them; the engine from its start on. */
class Executor implements RunOwner {
  readonly signals = new LiveSignals()
  readonly #host: EngineHost
  readonly #taker: Taker
  readonly #columns: SettlementColumns
  #work: Work | undefined
  #postponed: Run[] = []
  #maxMessages = MAX_MESSAGES / 8
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

  constructor(host: EngineHost) {
    this.#host = host
    this.#taker = host.attach(() => this.#pump())
    this.#columns = new SettlementColumns(this.#taker)
    this.#scheduleTurn()
  }

  get stopping(): boolean {
    return this.#stop !== undefined
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    if (this.#stop === 'abort') return
    this.#stop = mode
    if (mode === 'drain') return this.#drain(deadlineMs)
    this.signals.abort(new LanewayError('CONSUMER_CLOSED', 'the consumer is closed without waiting for its handlers'))
    this.#flush()
    this.#taker.detach()
    this.#work = undefined
    this.#postponed = []
    this.#announceDrained()
  }

  async #drain(deadlineMs: number): Promise<void> {
    this.#scheduleTurn()
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
  #scheduleTurn(): void {
    if (this.#turnScheduled || this.#stop === 'abort') return
    this.#turnScheduled = true
    setImmediate(() => {
      this.#turnScheduled = false
      this.#pump()
    })
  }

  /** Takes and runs until nothing is ready, every lane that may run is awaited, or the turn is over. */
  #pump(): void {
    if (this.#pumping || this.#stop === 'abort') return
    this.#pumping = true
    try {
      this.#beginTurn()
      while (this.#runPostponed() && this.#runWork() && this.#takeWork());
      if (this.stopping) this.#endTurnOfDrain()
    } catch (error) {
      this.#host.fail(error)
    } finally {
      this.#pumping = false
    }
  }

  #beginTurn(): void {
    this.#clockSeenAt = performance.now()
    this.#turnEndsAt = this.#clockSeenAt + TURN_MS
  }

  #endTurnOfDrain(): void {
    this.#flush()
    if (this.#awaited === 0 && this.#work === undefined && this.#postponed.length === 0) this.#announceDrained()
  }

  /** False when the turn is over. */
  #runPostponed(): boolean {
    if (this.#postponed.length === 0) return true
    const runs = this.#postponed
    this.#postponed = []
    for (const [index, run] of runs.entries()) {
      run.proceed()
      if (this.#mayGoOn()) continue
      this.#postponed = [...runs.slice(index + 1), ...this.#postponed]
      return false
    }
    return true
  }

  /** False when the turn is over. */
  #runWork(): boolean {
    const work = this.#work
    if (work === undefined) return true
    while (work.nextRun < work.batch.runs) {
      work.nextRun += 1
      new Run(this, this.#host, work.batch, work.nextRun - 1).proceed()
      if (!this.#mayGoOn()) return false
    }
    this.#work = undefined
    this.#adapt(performance.now() - work.startedAt)
    return true
  }

  /** An abort inside a handler ends everything; the end of the turn goes on in the next one. */
  #mayGoOn(): boolean {
    if (this.#stop === 'abort') return false
    if (this.#postponed.length === 0 && !this.isTurnOver()) return true
    this.#scheduleTurn()
    return false
  }

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

  /** What is taken but has not started delays a rebalance: no more than about a turn's worth. */
  #adapt(elapsedMs: number): void {
    const wanted = elapsedMs > TURN_MS ? this.#maxMessages / 2 : this.#maxMessages * 2
    this.#maxMessages = Math.min(Math.max(wanted, MIN_MESSAGES), MAX_MESSAGES)
  }

  #takeWork(): boolean {
    if (this.stopping) return false
    const buffer = this.#taker.take(this.#columns.empty(), this.#maxMessages, MAX_BYTES)
    if (buffer === null) return false
    this.#work = { batch: new MessageBatch(buffer), startedAt: performance.now(), nextRun: 0 }
    return true
  }

  settle(batch: MessageBatch, index: number, outcome: Outcome, delayMs: number): void {
    if (this.#stop === 'abort') return
    if (this.#columns.add(batch, index, outcome, delayMs)) this.#flush()
  }

  failed(error: unknown, batch: MessageBatch, index: number, message: BatchMessage): void {
    if (this.#stop === 'abort') return
    const decision = this.#host.decide(error, message, batch.attempts[index] ?? 1)
    const isRetry = decision.kind === 'retry'
    const delayMs = isRetry ? Math.min(Math.max(Math.ceil(decision.delayMs), 0), MAX_DELAY_MS) : 0
    this.settle(batch, index, isRetry ? Outcome.Retried : Outcome.Released, delayMs)
  }

  postponed(run: Run): void {
    this.#postponed.push(run)
    this.#scheduleTurn()
  }

  awaiting(): void {
    this.#awaited += 1
  }

  resumed(): void {
    this.#awaited -= 1
    if (this.#turnScheduled) return
    // The first promise to end since the last turn: whatever follows it in this burst shares one.
    this.#beginTurn()
    this.#scheduleTurn()
  }

  broken(error: unknown): void {
    this.#host.fail(error)
  }

  #flush(): void {
    const count = this.#columns.empty()
    if (count > 0) this.#taker.settle(count)
  }
}

class InlineEngine implements Engine {
  #executor: Executor | undefined

  start(host: EngineHost): void {
    if (this.#executor !== undefined) throw new LanewayError('ALREADY_RUNNING', 'an engine serves one consumer, once')
    this.#executor = new Executor(host)
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    await this.#executor?.stop(mode, deadlineMs)
  }
}

/** Runs handlers on the main thread, `concurrency` lanes at once where they are asynchronous. The default engine. */
export function inline(): Engine {
  return new InlineEngine()
}
