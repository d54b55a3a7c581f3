/**
 * The life of one worker thread, as the main thread sees it: started, told things, heard, and ended, however that came.
 * What it says is passed on in its order; the last thing that is heard of it is its end, after everything it has said.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { type Lease, whatRan } from './attempt-table.js'
import { thrownOf } from './error-envelope.js'
import { newPulse, watch } from './pulse.js'
import type { FromThread, ThreadSetup, ToThread } from './thread-messages.js'

const ENTRY = new URL('./thread.js', import.meta.url)

/** How a thread ended. */
export interface LifeEnd {
  /** In words, e.g. "the worker thread ended with exit code 1". */
  readonly why: string
  /** What ended it, where an error did. */
  readonly cause: unknown
  /** What it was running. */
  readonly ran: readonly Lease[]
}

/** Who hears of a life. */
export interface LifeListener {
  ready(life: WorkerLife): void
  failed(lease: Lease, error: unknown): void
  worn(life: WorkerLife): void
  unusable(life: WorkerLife, error: unknown): void
  broken(error: unknown): void
  ended(life: WorkerLife, end: LifeEnd): void
}

export type LifeSetup = Omit<ThreadSetup, 'port' | 'sent' | 'pulse'>

/** Something that happens once, and can be waited for. */
class Moment {
  come!: () => void
  readonly came = new Promise<void>((resolve) => {
    this.come = resolve
  })
}

export class WorkerLife {
  readonly ward: number
  readonly #listener: LifeListener
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #sent: Int32Array
  readonly #blocks: SharedArrayBuffer[] = []
  readonly #pulse = newPulse()
  readonly #handlerTimeoutMs: number
  readonly #drained = new Moment()
  readonly #aborted = new Moment()
  #readyAt: number | undefined
  #unwatch: () => void = () => undefined
  /** Why it ended, where that is known. */
  #why: string | undefined
  #cause: unknown

  constructor(setup: LifeSetup, resourceLimits: Worker['resourceLimits'], listener: LifeListener) {
    this.ward = setup.ward
    this.#handlerTimeoutMs = setup.handlerTimeoutMs
    this.#listener = listener
    const sent = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
    this.#sent = new Int32Array(sent)
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: ThreadSetup = { ...setup, port: port2, sent, pulse: this.#pulse }
    this.#worker = new Worker(ENTRY, { workerData, transferList: [port2], resourceLimits, name: 'laneway' })
    port1.on('message', (message: FromThread) => this.#hear(message))
    this.#worker.on('error', (error) => {
      this.#cause = error
      this.#why = `ended with ${String(error)}`
    })
    this.#worker.on('exit', (code) => this.#end(code))
  }

  /** ms since it was ready; undefined before. */
  get age(): number | undefined {
    return this.#readyAt === undefined ? undefined : performance.now() - this.#readyAt
  }

  tell(message: ToThread): void {
    this.#port.postMessage(message)
    // Only then: who counts it may fetch it.
    Atomics.add(this.#sent, 0, 1)
  }

  /** Resolves when nothing runs in it, and what ran is settled; or it has ended. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#readyAt === undefined) return
    this.tell({ kind: 'drain', deadlineMs })
    await this.#drained.came
  }

  /** Resolves when it has given back what it had, or has ended. It ends when its handlers have, or in `graceMs`. */
  async abort(graceMs: number): Promise<void> {
    this.#worker.unref()
    this.#port.unref()
    if (this.#readyAt === undefined) {
      this.terminate()
      return
    }
    this.tell({ kind: 'abort' })
    setTimeout(() => this.terminate(), graceMs).unref()
    await this.#aborted.came
  }

  terminate(): void {
    void this.#worker.terminate()
  }

  #terminateBlocked(): void {
    this.#why = `was terminated, because it was blocked for longer than handlerTimeout (${this.#handlerTimeoutMs} ms)`
    this.terminate()
  }

  #hear(message: FromThread): void {
    const listener = this.#listener
    switch (message.kind) {
      case 'ready':
        this.#readyAt = performance.now()
        if (this.#handlerTimeoutMs > 0) {
          this.#unwatch = watch(this.#pulse, this.#handlerTimeoutMs, () => this.#terminateBlocked())
        }
        listener.ready(this)
        break
      case 'grown':
        this.#blocks.push(message.memory)
        break
      case 'failed':
        listener.failed(message, thrownOf(message.error))
        break
      case 'worn':
        listener.worn(this)
        break
      case 'drained':
        this.#drained.come()
        break
      case 'aborted':
        this.#aborted.come()
        break
      case 'unusable':
        listener.unusable(this, thrownOf(message.error))
        break
      case 'broken':
        listener.broken(thrownOf(message.error))
    }
  }

  #end(code: number): void {
    this.#unwatch()
    // Its last words may still be on their way.
    for (let last = receiveMessageOnPort(this.#port); last !== undefined; last = receiveMessageOnPort(this.#port)) {
      this.#hear(last.message as FromThread)
    }
    this.#port.close()
    const why = `the worker thread ${this.#why ?? `ended with exit code ${code}`}`
    this.#listener.ended(this, { why, cause: this.#cause, ran: whatRan(this.#blocks) })
    this.#drained.come()
    this.#aborted.come()
  }
}
