/**
 * Runs a handler for batches of messages, on the thread that called `runBatches()`.
 *
 * Batches of one lane are runs as native code gathers them, which also lets them linger. Batches of many lanes are
 * gathered here, from one take to the next. What has an outcome is settled from the end of the batch to its beginning:
 * each message that failed then counts as an attempt of its own, because native code gives back with a failed message
 * what is leased after it in its lane.
 */
import { LanewayError } from '../../errors.js'
import { BatchMessage, type MessageBatch } from '../../message-batch.js'
import { Outcome } from '../../native.js'
import type { BatchContext, BatchPlan, HandlerHost, Message, OutgoingRecord } from '../../ports/engine.js'
import { isThenable } from '../../thenable.js'
import type { Place } from '../settler.js'
import type { BatchAttempt, MessageOfBatch } from './attempt.js'
import { Executor, type Parts } from './executor.js'

/** Batches of one lane that are taken at once. */
const BATCHES_PER_TAKE = 4
const MAX_BYTES = 64 * 1024 * 1024

type Said = { readonly kind: 'completed' } | { readonly kind: 'failed'; readonly error: unknown }

interface Entry extends MessageOfBatch {
  readonly partition: number
  readonly place: Place
  readonly message: Message
  said: Said | undefined
}

/** The messages that one call of the handler gets, and what it says of them. */
class Batch implements BatchContext {
  readonly #owner: BatchExecutor
  readonly #plan: BatchPlan
  readonly #entries: readonly Entry[]
  readonly #byMessage: Map<Message, Entry>
  readonly #attempt: BatchAttempt

  constructor(owner: BatchExecutor, plan: BatchPlan, entries: readonly Entry[]) {
    this.#owner = owner
    this.#plan = plan
    this.#entries = entries
    this.#byMessage = new Map(entries.map((entry) => [entry.message, entry]))
    this.#attempt = owner.attempts.beginBatch(entries)
  }

  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  attempt(message: Message): number {
    const { batch, index } = this.#find(message)
    return batch.attempts[index] ?? 1
  }

  firstFailedAt(message: Message): number | undefined {
    const { batch, index } = this.#find(message)
    return batch.firstFailedAt(index)
  }

  complete(message: Message): void {
    this.#find(message).said ??= { kind: 'completed' }
  }

  fail(message: Message, error: unknown): void {
    this.#find(message).said ??= { kind: 'failed', error }
  }

  send(message: Message, record: OutgoingRecord): void {
    const { batch, index } = this.#find(message)
    this.#attempt.send(batch, index, record)
  }

  start(): void {
    const messages = this.#entries.map(({ message }) => message)
    try {
      const result = this.#plan.handler(messages, this)
      if (isThenable(result)) this.#await(result)
      else this.#settle({ kind: 'completed' })
    } catch (error) {
      this.#settle({ kind: 'failed', error })
    }
  }

  #find(message: Message): Entry {
    const entry = this.#byMessage.get(message)
    if (entry === undefined) throw new LanewayError('CONFIG_INVALID', 'message: is not one of this batch')
    if (this.#attempt.isEnded) throw new LanewayError('LEASE_LOST', 'the handler of this batch has ended')
    return entry
  }

  #await(result: PromiseLike<unknown>): void {
    this.#attempt.watch()
    this.#owner.awaiting()
    const promise = result instanceof Promise ? result : Promise.resolve(result)
    promise.then(
      () => this.#resume({ kind: 'completed' }),
      (error) => this.#resume({ kind: 'failed', error }),
    )
  }

  #resume(otherwise: Said): void {
    this.#owner.resumed()
    try {
      this.#settle(otherwise)
    } catch (error) {
      this.#owner.broken(error)
    }
  }

  /** @param otherwise holds for the messages of which nothing was said */
  #settle(otherwise: Said): void {
    const timeout = this.#attempt.end()
    const rest: Said = timeout === undefined ? otherwise : { kind: 'failed', error: timeout }
    for (const { batch, index, place, said = rest } of this.#entries.toReversed()) {
      if (said.kind === 'completed') this.#owner.settle(batch, index, Outcome.Completed)
      else this.#owner.failed(said.error, batch, index, place)
    }
  }
}

export class BatchExecutor extends Executor {
  readonly #plan: BatchPlan
  /** Gathered, and not started: their turn comes. */
  #ready: (readonly Entry[])[] = []
  #gathered: Entry[] = []
  #gatheredBytes = 0
  #lingering: NodeJS.Timeout | undefined

  constructor(host: HandlerHost, plan: BatchPlan, parts?: Parts) {
    super(host, parts)
    this.#plan = plan
  }

  protected override runTurn(): void {
    if (this.stopping) this.#releaseWaiting()
    while (this.#runReady() && this.#gather());
  }

  protected override isIdle(): boolean {
    return this.#ready.length === 0 && this.#gathered.length === 0
  }

  protected override discard(): void {
    clearTimeout(this.#lingering)
    this.#ready = []
    this.#gathered = []
  }

  #releaseWaiting(): void {
    this.#finishGathering()
    for (const entries of this.#ready) this.#release(entries)
    this.#ready = []
  }

  /** False when the turn is over. */
  #runReady(): boolean {
    for (let entries = this.#ready.shift(); entries !== undefined; entries = this.#ready.shift()) {
      this.#start(entries)
      if (!this.mayGoOn()) return false
    }
    return true
  }

  /** Without what belongs to partitions that went away meanwhile. */
  #start(entries: readonly Entry[]): void {
    const isOver = ({ partition, batch }: Entry): boolean => this.fences.isOver(partition, batch)
    this.#release(entries.filter(isOver))
    const rest = entries.filter((entry) => !isOver(entry))
    if (rest.length > 0) new Batch(this, this.#plan, rest).start()
  }

  /** Not started: back to their lanes, where they still have one. */
  #release(entries: readonly Entry[]): void {
    for (const { batch, index } of entries.toReversed()) this.settle(batch, index, Outcome.Released)
  }

  /** True where there is a batch to run. */
  #gather(): boolean {
    if (this.stopping) return false
    return this.#plan.lanes === 'one' ? this.#takeRuns() : this.#takeFromLanes()
  }

  #takeRuns(): boolean {
    const batch = this.take(this.#plan.maxMessages * BATCHES_PER_TAKE, MAX_BYTES)
    if (batch === undefined) return false
    for (let run = 0; run < batch.runs; run += 1) this.#add(this.#entriesOf(batch, run))
    return true
  }

  /** Takes until a batch is full, or nothing is ready and it need not wait for more. */
  #takeFromLanes(): boolean {
    const { maxMessages, maxBytes, lingerMs } = this.#plan
    while (this.#gathered.length < maxMessages && this.#gatheredBytes < maxBytes) {
      const batch = this.take(maxMessages - this.#gathered.length, maxBytes - this.#gatheredBytes)
      if (batch === undefined) {
        if (this.#gathered.length === 0) return false
        if (lingerMs === 0) break
        this.#lingering ??= setTimeout(() => this.#lingered(), lingerMs)
        return false
      }
      for (let run = 0; run < batch.runs; run += 1) {
        const entries = this.#entriesOf(batch, run)
        this.#gathered.push(...entries)
        for (const { index } of entries) this.#gatheredBytes += batch.bytesOf(index)
      }
    }
    this.#finishGathering()
    return true
  }

  #lingered(): void {
    this.#finishGathering()
    this.scheduleTurn()
  }

  #finishGathering(): void {
    clearTimeout(this.#lingering)
    this.#lingering = undefined
    this.#add(this.#gathered)
    this.#gathered = []
    this.#gatheredBytes = 0
  }

  #add(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#ready.push(entries)
  }

  /** Without those whose key is poison, which are not run. */
  #entriesOf(batch: MessageBatch, run: number): Entry[] {
    const partition = batch.runPartitions[run] ?? 0
    const place = this.host.partition(partition)
    const entries: Entry[] = []
    for (let index = (batch.runStarts[run + 1] ?? 0) - 1; index >= (batch.runStarts[run] ?? 0); index -= 1) {
      if (batch.attempts[index] === 0) {
        this.failed(
          new LanewayError('KEY_POISONED', 'not run: its key has failed too often in a row'),
          batch,
          index,
          place,
        )
        continue
      }
      entries.push({ batch, index, partition, place, message: new BatchMessage(batch, index, place), said: undefined })
    }
    return entries.reverse()
  }
}
