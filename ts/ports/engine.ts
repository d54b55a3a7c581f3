/**
 * What runs handlers, as the consumer sees it. Which engine runs never shows anywhere else: the dispatcher hands out
 * leases, the engine settles them.
 *
 * Interfaces only: this file imports nothing.
 */

/** A message as a handler sees it. It stays valid, and never changes, for as long as it is kept. */
export interface Message {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch; -1 where the record has none. */
  readonly timestamp: number
  readonly key: Buffer | null
  /** null is a tombstone. */
  readonly value: Buffer | null
  /** In the record's order; names may repeat. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
}

/** What a handler is told besides its message. */
export interface HandlerContext {
  /**
   * Aborted when the consumer is closed with `abort`, or stops for a fatal error, while this attempt runs. Each attempt
   * has its own, made when it is first asked for (some 3 µs).
   */
  readonly signal: AbortSignal
  /** 1 for the first. */
  readonly attempt: number
}

/** Settles its message by returning (or resolving); a throw (or rejection) is a failed attempt. */
export type Handler = (message: Message, context: HandlerContext) => unknown

/** What becomes of a failed attempt. */
export type FailureDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** The consumer stops: leave the message unsettled. The host has been told why. */
  | { readonly kind: 'stop' }

/** One engine thread's connection to the dispatcher: see RawTaker in native.ts for the layouts. */
export interface Taker {
  readonly settlements: ArrayBuffer
  readonly settlementCapacity: number
  take(settlementCount: number, maxMessages: number, maxBytes: number): ArrayBuffer | null
  settle(settlementCount: number): void
  detach(): void
}

/** What the consumer offers to its engine. */
export interface EngineHost {
  readonly handler: Handler
  /** `onReady` is called, coalesced, when there is something to take after a take that returned null. */
  attach(onReady: () => void): Taker
  /** The topic and partition behind a batch's partition id. */
  partition(id: number): { readonly topic: string; readonly partition: number }
  /** A handler failed: what now. */
  decide(error: unknown, message: Message, attempt: number): FailureDecision
  /** The engine itself cannot go on. */
  fail(error: unknown): void
}

export type StopMode = 'drain' | 'abort'

/** Runs handlers. One instance serves one consumer, once. */
export interface Engine {
  start(host: EngineHost): void | Promise<void>
  /**
   * `drain`: starts nothing, resolves when nothing is running or `deadlineMs` has passed. `abort`: signals the running
   * handlers, gives back what has not started, and resolves at once. May be called again with `abort`.
   */
  stop(mode: StopMode, deadlineMs: number): Promise<void>
}
