/**
 * A host without native code: batches are handed out as scripted, settlements are written down, and every promise of
 * the contract that an engine could break is checked on the way.
 */
import type { BatchPlan, EngineHost, FailedAttempt, FailureDecision, Handler, Logger, Taker } from 'laneway'
import { type WrittenRun, writeBatch } from './written-batch.js'

export interface Settled {
  readonly lease: number
  readonly slot: number
  readonly delayMs: number
  /** As in native.ts: 0 completed, 1 retried, 3 dropped, 4 released, 5 blocked. */
  readonly outcome: number
}

export class ScriptedHost implements EngineHost {
  readonly settled: Settled[] = []
  readonly failures: unknown[] = []
  readonly deadLetters: { readonly lease: number; readonly slot: number; readonly topic: string }[] = []
  readonly outputs: { readonly lease: number; readonly topic: string }[] = []
  batches: BatchPlan | undefined
  handlerTimeoutMs = 0
  isTransactional = false
  readonly token = 0
  holdsOutputs = true
  logger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
  readonly decisions: (Omit<FailedAttempt, 'message'> & { readonly offset: number })[] = []
  handler: Handler
  decision: FailureDecision | ((offset: number) => FailureDecision) = { kind: 'retry', delayMs: 100 }
  takes = 0
  largestTake = 0
  /** Of the last take. */
  maxRun: number | undefined
  sequential: boolean | undefined
  isDetached = false
  readonly #batches: ArrayBuffer[] = []
  readonly #capacity: number
  readonly #waiters = new Set<() => void>()
  #nextLease = 1
  #onReady: () => void = () => undefined
  #isWaiting = false

  constructor(handler: Handler, settlementCapacity = 8) {
    this.handler = handler
    this.#capacity = settlementCapacity
  }

  /** One more batch; rings if the engine waits for one. */
  offer(...runs: readonly WrittenRun[]): void {
    this.#batches.push(writeBatch(this.#nextLease, runs))
    this.#nextLease += runs.reduce((sum, run) => sum + run.messages.length, 0)
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#onReady()
  }

  attach(onReady: () => void): Taker {
    this.#onReady = onReady
    const settlements = new ArrayBuffer(17 * this.#capacity)
    return {
      settlements,
      settlementCapacity: this.#capacity,
      take: (count, maxMessages, _maxBytes, maxRun, sequential) => {
        this.takes += 1
        this.maxRun = maxRun
        this.sequential = sequential
        this.largestTake = Math.max(this.largestTake, maxMessages)
        this.#read(settlements, count)
        const batch = this.#batches.shift() ?? null
        this.#isWaiting = batch === null
        return batch
      },
      read: () => null,
      settle: (count) => this.#read(settlements, count),
      deadLetter: (lease, slot, topic) => {
        this.deadLetters.push({ lease, slot, topic })
        return true
      },
      output: (lease, _slot, topic) => {
        this.outputs.push({ lease, topic })
        return this.holdsOutputs
      },
      detach: () => {
        this.isDetached = true
      },
    }
  }

  partition(id: number): { readonly topic: string; readonly partition: number } {
    return { topic: 'scripted', partition: id }
  }

  decide({ error, message: { offset }, attempt, firstFailedAt }: FailedAttempt): FailureDecision {
    this.decisions.push({ error, offset, attempt, firstFailedAt })
    return typeof this.decision === 'function' ? this.decision(offset) : this.decision
  }

  abandon(): void {}

  fail(error: unknown): void {
    this.failures.push(error)
  }

  /** Resolves when so many settlements have been handed over. */
  async settledCount(count: number): Promise<readonly Settled[]> {
    while (this.settled.length < count) {
      await new Promise<void>((wake) => {
        this.#waiters.add(wake)
      })
    }
    return this.settled
  }

  #read(buffer: ArrayBuffer, count: number): void {
    if (count > this.#capacity) throw new Error(`${count} settlements in room for ${this.#capacity}`)
    const view = new DataView(buffer)
    for (let i = 0; i < count; i += 1) {
      this.settled.push({
        lease: view.getFloat64(8 * i, true),
        slot: view.getUint32(8 * this.#capacity + 4 * i, true),
        delayMs: view.getUint32(12 * this.#capacity + 4 * i, true),
        outcome: view.getUint8(16 * this.#capacity + i),
      })
    }
    for (const wake of this.#waiters) wake()
    this.#waiters.clear()
  }
}

/** A run with these offsets; each message's slot is its offset. */
export function runOf(partition: number, ...offsets: readonly number[]): WrittenRun {
  return { partition, messages: offsets.map((offset) => ({ offset, key: `key of ${partition}` })) }
}
