/** What the main thread and a worker thread say to each other. Messages of Kafka are not among it. */
import type { MessagePort } from 'node:worker_threads'
import type { BatchPlan } from '../../ports/engine.js'
import type { Place } from '../settler.js'
import type { Lease } from './attempt-table.js'
import type { Envelope } from './error-envelope.js'

/** What a worker thread is started with. */
export interface ThreadSetup {
  /** The handler module's URL. */
  readonly module: string
  readonly data: unknown
  /** Of the consumer, in native code. */
  readonly token: number
  /** Of this worker, in native code. */
  readonly ward: number
  readonly handlerTimeoutMs: number
  readonly isTransactional: boolean
  readonly batches: Omit<BatchPlan, 'handler'> | undefined
  /** After so many messages, or with so much in use after a garbage collection, it wants to be replaced. Infinity: never. */
  readonly recycle: { readonly messages: number; readonly heapBytes: number }
  readonly port: MessagePort
  /** One Int32: how many messages the main thread has sent over the port. */
  readonly sent: SharedArrayBuffer
  readonly pulse: SharedArrayBuffer
}

export type ToThread =
  | { readonly kind: 'fence'; readonly partitions: readonly Place[] }
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  /** Signals what runs, gives back the rest, and ends when the handlers have. */
  | { readonly kind: 'abort' }

export type FromThread =
  /** It takes messages from now on. */
  | { readonly kind: 'ready' }
  /** The module cannot be loaded. */
  | { readonly kind: 'unusable'; readonly error: Envelope }
  /** One more block of its attempt table. */
  | { readonly kind: 'grown'; readonly memory: SharedArrayBuffer }
  | ({ readonly kind: 'failed'; readonly error: Envelope } & Lease)
  /** It wants to be replaced. */
  | { readonly kind: 'worn' }
  | { readonly kind: 'drained' }
  /** All that it had is given back. */
  | { readonly kind: 'aborted' }
  /** The engine itself failed in it. */
  | { readonly kind: 'broken'; readonly error: Envelope }
