/**
 * Runs a handler for each message, on the thread that called `run()`.
 *
 * A synchronous handler costs no promise: its run is a plain loop, and its settlements travel with the next take. Where
 * a handler returns a promise, the rest of its run goes on from that promise's callback, one message after the other,
 * with two closures for the whole run. It must not start two messages of one run at once.
 *
 * While handlers end at once, with or without a promise, messages are taken as native code gives them to sequential
 * engines: in long runs of several keys. A promise that outlasts the burst of microtasks in which it came releases the
 * rest of such a run, because other keys must not wait for it.
 */
import { LanewayError } from '../../errors.js'
import { BatchMessage, type MessageBatch } from '../../message-batch.js'
import { Outcome } from '../../native.js'
import type { HandlerHost } from '../../ports/engine.js'
import { isThenable } from '../../thenable.js'
import type { Place } from '../settler.js'
import type { Attempt } from './attempt.js'
import { Executor, TURN_MS } from './executor.js'

/** Most messages in one batch; slow synchronous handlers get fewer, down to the minimum. */
const MAX_MESSAGES = 2048
const MIN_MESSAGES = 16
/** With what belongs to it, a batch fits into a block of memory that is used again (native/addon/batch_memory.h). */
const MAX_BYTES = 768 * 1024
/**
 * About how long a run may take, in ms, where handlers wait: what is not taken yet can start wherever there is a place,
 * and a place that is given up is taken again within a turn.
 */
const RUN_MS = 150
/** The mean wait is that of about so many messages. */
const WAITS_REMEMBERED = 64
/**
 * So many handlers in a row must have ended at once and well before the next ones are expected to: where they do not, a
 * lane is made again for each key that is buffered.
 */
const SEQUENTIAL_AFTER = 8192

/** A batch of which runs may not have started yet. */
interface Work {
  readonly batch: MessageBatch
  readonly startedAt: number
  readonly sequential: boolean
  nextRun: number
}

/** Consecutive messages of one lane, one handler at a time. */
class Run {
  readonly #owner: MessageExecutor
  readonly #host: HandlerHost
  readonly #batch: MessageBatch
  readonly #partition: number
  readonly #place: Place
  readonly #sequential: boolean
  #end: number
  #index: number
  /** Of the message whose promise is awaited. */
  #attempt: Attempt | undefined
  #awaitedSince = 0
  /** The burst in which that promise came. */
  #awaitedIn = -1
  #onResolved: (() => void) | undefined
  #onRejected: ((error: unknown) => void) | undefined

  constructor(owner: MessageExecutor, host: HandlerHost, { batch, sequential }: Work, run: number) {
    this.#owner = owner
    this.#host = host
    this.#batch = batch
    this.#partition = batch.runPartitions[run] ?? 0
    this.#place = host.partition(this.#partition)
    this.#sequential = sequential
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
    if (owner.stopping || owner.fences.isOver(this.#partition, batch)) {
      // Nothing new starts: this message and the later ones go back to their lane, where they still have one.
      owner.settle(batch, index, Outcome.Released)
      return false
    }
    if (batch.attempts[index] === 0) {
      return this.#failed(new LanewayError('KEY_POISONED', 'not run: its key has failed too often in a row'))
    }
    const attempt = owner.attempts.begin(batch, index)
    try {
      const result = this.#host.handler(new BatchMessage(batch, index, this.#place), attempt)
      if (isThenable(result)) {
        this.#await(result, attempt)
        return false
      }
    } catch (error) {
      attempt.end()
      return this.#failed(error)
    }
    attempt.end()
    owner.settle(batch, index, Outcome.Completed)
    owner.endedAtOnce()
    this.#index = index + 1
    return true
  }

  /** True where the message is settled all the same; else the later ones of the run go back to their lane with it. */
  #failed(error: unknown): boolean {
    const isSettled = this.#owner.failed(error, this.#batch, this.#index, this.#place, this.#end)
    if (isSettled) this.#index += 1
    else this.#owner.brokeOff()
    return isSettled
  }

  /** False where there is no next message, or it must wait for its turn. */
  #mayGoOn(): boolean {
    if (this.#index === this.#end) return false
    if (!this.#owner.isTurnOver()) return true
    this.#owner.postponed(this)
    return false
  }

  #await(result: PromiseLike<unknown>, attempt: Attempt): void {
    this.#attempt = attempt
    this.#awaitedSince = this.#owner.clock
    attempt.watch()
    this.#onResolved ??= () => this.#resolved()
    this.#onRejected ??= (error) => this.#rejected(error)
    // A foreign thenable may call back at once or twice; a promise made of it does neither.
    const promise = result instanceof Promise ? result : Promise.resolve(result)
    promise.then(this.#onResolved, this.#onRejected)
    this.#owner.awaiting()
    const burst = this.#owner.watchBurst()
    if (this.#sequential && this.#awaitedIn !== burst) this.#owner.mayHold(this)
    this.#awaitedIn = burst
  }

  /** Where a promise is awaited, other keys go on. */
  releaseRest(): void {
    if (this.#attempt === undefined) return
    this.#owner.brokeOff()
    if (this.#index + 1 >= this.#end) return
    this.#end = this.#index + 1
    this.#owner.settle(this.#batch, this.#end, Outcome.Released)
    this.#owner.scheduleTurn()
  }

  #endAttempt(): LanewayError | undefined {
    const timeout = this.#attempt?.end()
    this.#attempt = undefined
    return timeout
  }

  #completed(): void {
    this.#owner.settle(this.#batch, this.#index, Outcome.Completed)
    if (this.#awaitedIn === this.#owner.burst) this.#owner.endedAtOnce()
    else this.#owner.waited(this.#owner.clock - this.#awaitedSince)
    this.#index += 1
  }

  #resolved(): void {
    this.#owner.resumed()
    try {
      const timeout = this.#endAttempt()
      if (timeout === undefined) this.#completed()
      else if (!this.#failed(timeout)) return
      if (this.#mayGoOn()) this.proceed()
    } catch (error) {
      this.#owner.broken(error)
    }
  }

  #rejected(reason: unknown): void {
    this.#owner.resumed()
    try {
      const timeout = this.#endAttempt()
      if (this.#failed(timeout ?? reason) && this.#mayGoOn()) this.proceed()
    } catch (error) {
      this.#owner.broken(error)
    }
  }
}

export class MessageExecutor extends Executor {
  #work: Work | undefined
  #postponed: Run[] = []
  #maxMessages = MAX_MESSAGES / 8
  #meanWaitMs = 0
  /** Handlers that ended at once and well since one did not. */
  #endedAtOnce = 0
  /** The count of bursts of microtasks in which a promise came. */
  #burst = 0
  #isBurstWatched = false
  /** Runs of sequential takes, with a promise of this burst. */
  #mayHold: Run[] = []

  /** The run goes on in a later turn. */
  postponed(run: Run): void {
    this.#postponed.push(run)
    this.scheduleTurn()
  }

  /** How long the promise of a handler that has ended well was awaited, in ms; longer than its burst. */
  waited(ms: number): void {
    this.#meanWaitMs += (ms - this.#meanWaitMs) / WAITS_REMEMBERED
    this.brokeOff()
  }

  /** A handler has ended well, without a promise or with one that was kept in the burst of microtasks in which it came. */
  endedAtOnce(): void {
    this.#meanWaitMs -= this.#meanWaitMs / WAITS_REMEMBERED
    this.#endedAtOnce += 1
  }

  /** A handler did not end at once, or its message goes back. */
  brokeOff(): void {
    this.#endedAtOnce = 0
  }

  get burst(): number {
    return this.#burst
  }

  /** A promise is awaited, in the burst that is returned. */
  watchBurst(): number {
    if (!this.#isBurstWatched) {
      this.#isBurstWatched = true
      // From a microtask it comes when there is none left; from elsewhere it would come before them.
      queueMicrotask(() => process.nextTick(() => this.#endBurst()))
    }
    return this.#burst
  }

  /** Other keys are in the run: where its promise outlasts this burst, they must not wait for it. */
  mayHold(run: Run): void {
    this.#mayHold.push(run)
  }

  #endBurst(): void {
    this.#isBurstWatched = false
    this.#burst += 1
    const runs = this.#mayHold
    this.#mayHold = []
    for (const run of runs) run.releaseRest()
  }

  protected override runTurn(): void {
    while (this.#runPostponed() && this.#runWork() && this.#takeWork());
  }

  protected override isIdle(): boolean {
    return this.#work === undefined && this.#postponed.length === 0
  }

  protected override discard(): void {
    this.#work = undefined
    this.#postponed = []
    this.#mayHold = []
  }

  /** False when the turn is over. */
  #runPostponed(): boolean {
    if (this.#postponed.length === 0) return true
    const runs = this.#postponed
    this.#postponed = []
    for (const [index, run] of runs.entries()) {
      run.proceed()
      if (this.#postponed.length === 0 && this.mayGoOn()) continue
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
      new Run(this, this.host, work, work.nextRun - 1).proceed()
      if (this.#postponed.length > 0 || !this.mayGoOn()) return false
    }
    this.#work = undefined
    this.#adapt(performance.now() - work.startedAt)
    return true
  }

  /** What is taken but has not started delays a rebalance: no more than about a turn's worth. */
  #adapt(elapsedMs: number): void {
    const wanted = elapsedMs > TURN_MS ? this.#maxMessages / 2 : this.#maxMessages * 2
    this.#maxMessages = Math.min(Math.max(wanted, MIN_MESSAGES), MAX_MESSAGES)
  }

  #takeWork(): boolean {
    if (this.stopping) return false
    const maxRun = Math.min(Math.ceil(RUN_MS / this.#meanWaitMs), MAX_MESSAGES)
    const sequential = this.#endedAtOnce >= SEQUENTIAL_AFTER
    const batch = this.take(this.#maxMessages, MAX_BYTES, maxRun, sequential)
    if (batch === undefined) return false
    this.#work = { batch, startedAt: performance.now(), sequential, nextRun: 0 }
    return true
  }
}
