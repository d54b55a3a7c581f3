/**
 * A run of leases: messages of one lane, handled one after the other. Its first lease that has not ended is its head.
 * Where the head does not end as completed, the later ones are the host's again (rule 2 of the contract).
 *
 * A run waits for a place, runs, or is over. It answers for its head once, and only when the head's handler has really
 * ended; one whose session has ended answers nothing, but keeps its place for as long as its handler runs.
 */
import { numberOf, type v1 } from '../contracts/worker-contract.js'
import { WorkerError } from '../contracts/worker-error.js'
import { LanewayError } from '../errors.js'
import type { Message } from '../ports/engine.js'
import { isThenable } from '../thenable.js'
import { type Answer, completed, failed, RELEASED } from './answers.js'
import { Attempt, type WorkerHandler } from './attempt.js'
import { LeasedMessage } from './message.js'
import type { Slots } from './slots.js'

/** The session that a run came in. */
export interface Lessor {
  /** Nothing new starts. */
  readonly isDraining: boolean
  /** By the worker's clock: from then on nothing is started, because the host may be lost. */
  readonly startsUntilMs: number
  /** ms that a handler may run, whatever its lease says. */
  readonly attemptTimeoutMs: number
  /** By the worker's clock, when the lease ends. */
  deadlineOf(lease: v1.Lease.$Properties): number
  /** Handlers may send. */
  readonly takesOutputs: boolean
  settle(lease: v1.Lease.$Properties, answer: Answer): void
  /** The deadline of its head is another one. */
  moved(run: Run): void
  /** The run is over: none of its leases is the worker's any more. */
  over(run: Run): void
}

export interface RunOptions {
  readonly lessor: Lessor
  readonly slots: Slots
  readonly handlerName: string
  readonly handler: WorkerHandler<Message> | undefined
  /** At least one. */
  readonly leases: readonly v1.Lease.$Properties[]
  readonly topic: string
  readonly partition: number
}

export class Run {
  readonly #options: RunOptions
  #index = 0
  /** When the head's lease ends, or the time of its handler, by the worker's clock. */
  #deadlineMs: number
  /** Of the head, while its handler runs. */
  #attempt: Attempt | undefined
  /** Not to be started any more. */
  readonly #cancelled = new Set<number>()
  #isOver = false
  #onResolved: (() => void) | undefined
  #onRejected: ((error: unknown) => void) | undefined

  constructor(options: RunOptions) {
    this.#options = options
    this.#deadlineMs = options.lessor.deadlineOf(this.#head)
    options.slots.offer(this)
  }

  get deadlineMs(): number {
    return this.#deadlineMs
  }

  get #head(): v1.Lease.$Properties {
    return this.#options.leases[this.#index] ?? {}
  }

  /** In its place: until the end, a failure, a promise, or the end of the turn. */
  proceed(): void {
    while (this.#runHead()) {
      if (!this.#options.slots.isTurnOver()) continue
      this.#options.slots.postpone(this)
      return
    }
  }

  /** Gives back what has not started, where nothing of it runs. */
  releaseIfWaiting(): void {
    if (this.#options.slots.withdraw(this)) this.#giveBack()
  }

  /** The host wants these leases no longer to be handled; those that are not this run's are ignored. */
  cancelLeases(ids: ReadonlySet<number>, reason: LanewayError): void {
    for (const lease of this.#options.leases) {
      const id = numberOf(lease.id)
      if (ids.has(id)) this.#cancelled.add(id)
    }
    if (ids.has(numberOf(this.#head.id))) this.cancel(reason)
  }

  /** The head's handler is to end now; where it has not started, it is given back. */
  cancel(reason: LanewayError): void {
    if (this.#attempt === undefined) this.releaseIfWaiting()
    else this.#attempt.cancel(reason)
  }

  /** The lease of the head has ended. */
  expire(): void {
    this.cancel(new LanewayError('DEADLINE_EXCEEDED', 'the handler ran past the deadline of its lease'))
  }

  /** The host is lost, and the leases with it. */
  forget(reason: LanewayError): void {
    this.#isOver = true
    this.#options.slots.withdraw(this)
    this.#attempt?.cancel(reason)
  }

  /** True where the next lease is to be run at once. */
  #runHead(): boolean {
    if (this.#isOver) return this.#leave()
    const { handler } = this.#options
    if (!this.#mayStart()) {
      this.#giveBack()
      return this.#leave()
    }
    const attempt = this.#begin()
    try {
      if (handler === undefined) throw this.#unknownHandler()
      const result = handler(this.#message(), attempt)
      if (!isThenable(result)) return this.#ended(completed(attempt.outputs))
      this.#await(result)
      return false
    } catch (error) {
      return this.#ended(failed(error))
    }
  }

  #mayStart(): boolean {
    const { isDraining, startsUntilMs } = this.#options.lessor
    if (isDraining || this.#cancelled.has(numberOf(this.#head.id))) return false
    return performance.now() < Math.min(this.#deadlineMs, startsUntilMs)
  }

  #begin(): Attempt {
    const { attempt, firstFailedAtMs, message } = this.#head
    const { lessor } = this.#options
    this.#deadlineMs = Math.min(this.#deadlineMs, performance.now() + lessor.attemptTimeoutMs)
    lessor.moved(this)
    this.#attempt = new Attempt({
      number: attempt ?? 1,
      firstFailedAtMs,
      metadata: message?.metadata ?? {},
      deadlineMs: this.#deadlineMs,
      takesOutputs: lessor.takesOutputs,
    })
    return this.#attempt
  }

  #message(): LeasedMessage {
    return new LeasedMessage(this.#options.topic, this.#options.partition, this.#head.message ?? {})
  }

  #unknownHandler(): WorkerError {
    const name = JSON.stringify(this.#options.handlerName)
    return new WorkerError(`this worker has no handler ${name}`, { code: 'HANDLER_UNKNOWN', retriable: false })
  }

  #await(result: PromiseLike<unknown>): void {
    this.#onResolved ??= () => this.#resumed(completed(this.#attempt?.outputs ?? []))
    this.#onRejected ??= (error) => this.#resumed(failed(error))
    // A foreign thenable may call back at once or twice; a promise made of it does neither.
    const promise = result instanceof Promise ? result : Promise.resolve(result)
    promise.then(this.#onResolved, this.#onRejected)
  }

  #resumed(answer: Answer): void {
    const { slots } = this.#options
    slots.resumed()
    if (!this.#ended(answer)) return
    if (slots.isTurnOver()) slots.postpone(this)
    else this.proceed()
  }

  /** The head's handler has ended. True where the next lease is to be run. */
  #ended(answer: Answer): boolean {
    const { lessor, leases } = this.#options
    // A synchronous handler cannot be cancelled, and no timer fires while it runs.
    if (performance.now() >= this.#deadlineMs) this.expire()
    const reason = this.#attempt?.end()
    this.#attempt = undefined
    if (this.#isOver) return this.#leave()
    const judged = this.#judged(answer, reason)
    lessor.settle(this.#head, judged)
    this.#index += 1
    if (judged.error !== undefined || this.#index === leases.length) {
      this.#isOver = true
      lessor.over(this)
      return this.#leave()
    }
    this.#deadlineMs = lessor.deadlineOf(this.#head)
    lessor.moved(this)
    return true
  }

  /** What was cancelled, at its deadline or by the host, is not completed, whatever its handler says. */
  #judged(answer: Answer, reason: LanewayError | undefined): Answer {
    if (reason === undefined) return answer
    if (reason.code === 'DEADLINE_EXCEEDED') return failed(reason)
    const isByHost = this.#cancelled.has(numberOf(this.#head.id))
    return isByHost && answer.error === undefined ? failed(reason) : answer
  }

  #giveBack(): void {
    const { lessor } = this.#options
    this.#isOver = true
    lessor.settle(this.#head, RELEASED)
    lessor.over(this)
  }

  #leave(): false {
    this.#options.slots.leave()
    return false
  }
}
