/**
 * A worker thread's entry: loads the handler module, attaches to the consumer in native code, and runs the executors that
 * the main thread runs, too. What it settles goes straight to native code. What fails it hands over: it tells the error and
 * the lease, and leaves the message leased until the main thread has decided.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type MessagePort, workerData } from 'node:worker_threads'
import { translate } from '../../errors.js'
import { addon, type RawAttachment } from '../../native.js'
import type { BatchPlan, FailedAttempt, FailureDecision, Handler, HandlerHost, Taker } from '../../ports/engine.js'
import { BatchExecutor } from '../executor/batches.js'
import type { Executor, Parts } from '../executor/executor.js'
import { MessageExecutor } from '../executor/messages.js'
import type { Place } from '../settler.js'
import { AttemptTable } from './attempt-table.js'
import { envelopeOf } from './error-envelope.js'
import { type LoadedHandlers, loadHandlers } from './handler-module.js'
import { Inbox } from './inbox.js'
import { LoggedAttempts } from './logged-attempts.js'
import { beat } from './pulse.js'
import { ThreadFences } from './thread-fences.js'
import type { FromThread, ThreadSetup, ToThread } from './thread-messages.js'
import { Wear } from './wear.js'

/** How often a thread that is to end looks whether its handlers have. */
const ABORTED_LOOK_MS = 5

function countOf(batch: ArrayBuffer): number {
  return new Uint32Array(batch, 0, 1)[0] ?? 0
}

/** What the executor needs, on this thread. */
class ThreadHost implements HandlerHost {
  readonly handler: Handler
  readonly batches: BatchPlan | undefined
  readonly handlerTimeoutMs: number
  readonly isTransactional: boolean
  readonly #setup: ThreadSetup
  readonly #tell: (message: FromThread) => void
  readonly #places: Place[] = []
  #attachment: RawAttachment | undefined

  constructor(setup: ThreadSetup, { handler, batchHandler }: LoadedHandlers, tell: (message: FromThread) => void) {
    this.handler = handler
    this.batches = setup.batches === undefined ? undefined : { ...setup.batches, handler: batchHandler }
    this.handlerTimeoutMs = setup.handlerTimeoutMs
    this.isTransactional = setup.isTransactional
    this.#setup = setup
    this.#tell = tell
  }

  attach(onReady: () => void): Taker {
    const { token, ward, recycle } = this.#setup
    const attachment = translate(() => addon.attachTo(token, ward, onReady))
    this.#attachment = attachment
    const { taker } = attachment
    const wear = new Wear(recycle, () => this.#tell({ kind: 'worn' }))
    const take: Taker['take'] = (...wanted) => {
      const batch = taker.take(...wanted)
      if (batch !== null) wear.took(countOf(batch))
      return batch
    }
    return { ...taker, take }
  }

  /** Ids never change their meaning, so that each is asked for once. */
  partition(id: number): Place {
    const known = this.#places[id]
    if (known !== undefined) return known
    const place = (this.#attachment as RawAttachment).partition(id)
    this.#places[id] = place
    return place
  }

  decide({ error }: FailedAttempt): FailureDecision {
    const handOver = (lease: number, slot: number): void => {
      this.#tell({ kind: 'failed', lease, slot, error: envelopeOf(error) })
    }
    return { kind: 'elsewhere', handOver }
  }

  fail(error: unknown): void {
    this.#tell({ kind: 'broken', error: envelopeOf(error) })
  }
}

class HandlerThread {
  readonly #port: MessagePort
  readonly #table: AttemptTable
  readonly #executor: Executor

  constructor(setup: ThreadSetup, handlers: LoadedHandlers) {
    this.#port = setup.port
    this.#table = new AttemptTable((memory) => this.#tell({ kind: 'grown', memory }))
    const inbox = new Inbox(setup.port, setup.sent, (message) => this.#receive(message))
    const parts: Parts = {
      attempts: (host, taker) => new LoggedAttempts(host, taker, this.#table),
      fences: (host) => new ThreadFences(host, inbox),
    }
    const host = new ThreadHost(setup, handlers, (message) => this.#tell(message))
    const { batches } = host
    this.#executor = batches === undefined ? new MessageExecutor(host, parts) : new BatchExecutor(host, batches, parts)
    if (setup.handlerTimeoutMs > 0) beat(setup.pulse, setup.handlerTimeoutMs)
    this.#tell({ kind: 'ready' })
  }

  #tell(message: FromThread): void {
    this.#port.postMessage(message)
  }

  #receive(message: ToThread): void {
    switch (message.kind) {
      case 'fence':
        this.#executor.fences.raise(message.partitions)
        break
      case 'drain':
        void this.#drain(message.deadlineMs)
        break
      case 'abort':
        void this.#abort()
    }
  }

  async #drain(deadlineMs: number): Promise<void> {
    await this.#executor.stop('drain', deadlineMs)
    this.#tell({ kind: 'drained' })
  }

  async #abort(): Promise<void> {
    await this.#executor.stop('abort', 0)
    this.#tell({ kind: 'aborted' })
    // The signals have fired: what heeds them may still clean up. What does not is terminated by the main thread.
    while (this.#table.running > 0) await sleep(ABORTED_LOOK_MS)
    process.exit()
  }
}

const setup = workerData as ThreadSetup
try {
  const handlers = await loadHandlers(setup.module, setup.data)
  new HandlerThread(setup, handlers)
} catch (error) {
  setup.port.postMessage({ kind: 'unusable', error: envelopeOf(error) } satisfies FromThread)
}
