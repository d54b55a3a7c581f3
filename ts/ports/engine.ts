/**
 * What runs handlers, as the consumer sees it. Which engine runs never shows anywhere else: the dispatcher hands out
 * leases, the engine settles them.
 *
 * Interfaces only: this file imports nothing but other ports.
 */
import type { Logger } from './logger.js'

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

/** A record to be produced. */
export interface OutgoingRecord {
  readonly topic: string
  /** Text is UTF-8. Default: null. */
  readonly key?: Uint8Array | string | null
  readonly value?: Uint8Array | string | null
  /** In this order; names may repeat. */
  readonly headers?: readonly (readonly [name: string, value: Uint8Array | string | null])[]
  /** Default: the key decides. */
  readonly partition?: number
  /** ms since the epoch. Default: now. */
  readonly timestamp?: number
}

/** What a handler is told besides its message. */
export interface HandlerContext {
  /**
   * Aborted when this attempt runs longer than the option `handlerTimeout`, and when the consumer is closed with `abort`
   * or stops for a fatal error while it runs. Each attempt has its own, made when it is first asked for (some 3 µs).
   */
  readonly signal: AbortSignal
  /** 1 for the first. */
  readonly attempt: number
  /** When the first attempt failed, in ms since the epoch; undefined where none has. */
  readonly firstFailedAt: number | undefined
  /**
   * Produces a record exactly once: it becomes visible in the transaction that settles this message, and not at all
   * when this attempt fails. Only with the option `transactional`, and only while the handler runs.
   *
   * @throws LanewayError `NOT_TRANSACTIONAL`, `LEASE_LOST` (the partition went to another member, or the handler has
   * ended), or `RECORD_INVALID`
   */
  readonly send: (record: OutgoingRecord) => void
}

/** Settles its message by returning (or resolving); a throw (or rejection) is a failed attempt. */
export type Handler<M = Message> = (message: M, context: HandlerContext) => unknown

/** What a batch handler is told besides its messages. What it says of a message first, counts. */
export interface BatchContext<M = Message> {
  /** As HandlerContext's, for the whole batch. */
  readonly signal: AbortSignal
  /** 1 for the first. */
  attempt(message: M): number
  /** As HandlerContext's. */
  firstFailedAt(message: M): number | undefined
  /** The message is settled, whatever becomes of the others. */
  complete(message: M): void
  /** The message has failed: the retry policy decides, or the error where it is a DropMessage or one of its like. */
  fail(message: M, error: unknown): void
  /** As HandlerContext's, for this message of the batch. */
  send(message: M, record: OutgoingRecord): void
}

/**
 * Messages without an outcome of their own are settled when it returns (or resolves), and have failed when it throws (or
 * rejects).
 */
export type BatchHandler<M = Message> = (messages: readonly M[], context: BatchContext<M>) => unknown

/** How messages become batches. */
export interface BatchPlan {
  readonly handler: BatchHandler
  /** Messages of one lane, which native code gathers; or of many lanes, which the engine gathers. */
  readonly lanes: 'one' | 'many'
  readonly maxMessages: number
  readonly maxBytes: number
  readonly lingerMs: number
}

/** A failed attempt, or a message that is not to be run at all. */
export interface FailedAttempt {
  readonly error: unknown
  readonly message: Message
  /** 0: not run, because its key is poison. */
  readonly attempt: number
  /** ms since the epoch; undefined for the first failure. */
  readonly firstFailedAt: number | undefined
}

/** Where a dead letter goes and what it says besides the message. */
export interface DeadLetter {
  readonly topic: string
  readonly withPayload: boolean
  /** Names and values, one after the other. */
  readonly headers: readonly string[]
}

/** What becomes of a failed attempt. */
export type FailureDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'deadLetter'; readonly letter: DeadLetter }
  | { readonly kind: 'drop' }
  /** Unsettled, and its lane stays closed. */
  | { readonly kind: 'block' }
  /** The consumer stops: leave the message unsettled. The host has been told why. */
  | { readonly kind: 'stop' }
  /** Whoever gets the lease decides and settles: leave the message leased. What is settled before it has been told. */
  | { readonly kind: 'elsewhere'; readonly handOver: (lease: number, slot: number) => void }

/** One engine thread's connection to the dispatcher: see RawTaker in native.ts for the layout of the settlements. */
export interface Taker {
  readonly settlements: ArrayBuffer
  readonly settlementCapacity: number
  /**
   * Settles the first `settlementCount` records, then takes up to `maxMessages` messages of at most about `maxBytes`
   * (at least one message where any is ready), up to `maxRun` of one lane, where that is less than the option
   * `maxRunLength`. Returns a batch (layout: native/core/batch_layout.h, mirrored in
   * ts/message-batch.ts), or null when nothing is ready: then `onReady` is called once when something is.
   *
   * `sequential`: the engine runs one handler at a time, and settles each message of a run before it starts the next;
   * where it has to wait inside a run after all, it releases what follows at once. Where it is its consumer's only
   * taker, runs may then be longer than `maxRun`, and of several keys: a lane for each key has nothing to give it.
   */
  take(
    settlementCount: number,
    maxMessages: number,
    maxBytes: number,
    maxRun?: number,
    sequential?: boolean,
  ): ArrayBuffer | null
  /** A message that any taker has leased, as a batch of one; its lease stays as it is. null: the lease is gone. */
  read(lease: number, slot: number): ArrayBuffer | null
  /** Settles without taking. Also wakes a revoke or a close that waits for these leases. */
  settle(settlementCount: number): void
  /**
   * Withholds a leased message until its dead letter is acknowledged; what is leased after it in its lane goes back.
   * `headers` alternate names and values, and follow the message's own. False: the lease is gone.
   */
  deadLetter(lease: number, slot: number, topic: string, withPayload: boolean, headers: readonly string[]): boolean
  /**
   * Keeps a record with a leased message, for the transaction that settles it. `partition` -1 lets the key decide;
   * `timestamp` 0 means now; headers alternate names and values. False: the lease is gone.
   */
  output(
    lease: number,
    slot: number,
    topic: string,
    partition: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestamp: number,
    headers: readonly (Uint8Array | string | null)[] | null,
  ): boolean
  /** Gives back what is still leased by this taker (Released) and ends it. Idempotent. */
  detach(): void
}

/** What runs handlers needs, on whichever thread it does. */
export interface HandlerHost {
  /** The one that `run()` got; where handlers are elsewhere, it only throws. */
  readonly handler: Handler
  /** Set where messages are handled in batches: then `handler` is not called. Its handler is likewise. */
  readonly batches?: BatchPlan | undefined
  /** ms; 0: none. */
  readonly handlerTimeoutMs: number
  /** Handlers may send(). */
  readonly isTransactional: boolean
  /** `onReady` is called, coalesced, when there is something to take after a take that returned null. */
  attach(onReady: () => void): Taker
  /** The topic and partition behind a batch's partition id. */
  partition(id: number): { readonly topic: string; readonly partition: number }
  /** A handler failed: what now. */
  decide(failed: FailedAttempt): FailureDecision
  /** The engine itself cannot go on. */
  fail(error: unknown): void
}

/** What the consumer offers to its engine. */
export interface EngineHost extends HandlerHost {
  /** Names the consumer to the worker threads of this process, which attach to it by themselves. */
  readonly token: number
  /**
   * The worker thread that attached by this number (each is given once) has ended: what it still has leased goes back
   * (Released). Until then its lanes stay closed. May be called again.
   */
  abandon(ward: number): void
  /** For what the engine recovers from by itself, and what its workers say. */
  readonly logger: Logger
}

export type StopMode = 'drain' | 'abort'

/** Runs handlers. One instance serves one consumer, once. */
export interface Engine {
  /** `elsewhere`: it brings its handlers along, and `run()` gets none. Default: `here`. */
  readonly handlers?: 'here' | 'elsewhere'
  start(host: EngineHost): void | Promise<void>
  /**
   * `drain`: starts nothing, resolves when nothing is running or `deadlineMs` has passed. `abort`: signals the running
   * handlers, gives back what has not started, and resolves at once. May be called again with `abort`.
   */
  stop(mode: StopMode, deadlineMs: number): Promise<void>
  /**
   * These partitions are this member's no longer: nothing of them that was taken before this call may start any more.
   * Handlers that run may end; their settlements change nothing. What is taken afterwards belongs to a new assignment.
   */
  fence?(partitions: readonly { readonly topic: string; readonly partition: number }[]): void
}
