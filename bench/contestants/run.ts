/**
 * One run of a contestant in Node: its task, its handler, and its result. A contestant calls `subscribing()` right before
 * it subscribes, hands every message to `handle`, waits for `finished`, calls `end()` and closes its client.
 */
import { LedgerWriter } from './ledger-writer.js'
import { Stopwatch } from './stopwatch.js'
import { endAtDeadline, FIRST_MESSAGE_LINE, parseTask, type Result, type Task } from './task.js'
import { type BenchMessage, workOf } from './work.js'

export class Run {
  readonly task: Task
  /** Settles when the last handler has ended. */
  readonly finished: Promise<void>
  /** Ends when the work for the message has ended: at once, unless the work is to wait. */
  readonly handle: (message: BenchMessage) => void | Promise<void>
  readonly #ledger: LedgerWriter | undefined
  readonly #finish: () => void
  #stopwatch: Stopwatch | undefined
  #started = 0
  #ended = 0

  /** @throws Error for an argument that is no task. */
  constructor(argument = process.argv[2]) {
    this.task = parseTask(argument)
    endAtDeadline(this.task)
    let finish = (): void => undefined
    this.finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    this.#finish = finish
    const { ledger, flush } = this.task
    this.#ledger = ledger === undefined ? undefined : new LedgerWriter(ledger, flush)
    this.handle = this.#handler()
  }

  /** Time and CPU run from here. */
  subscribing(): void {
    this.#stopwatch = new Stopwatch()
  }

  /** Prints the result. */
  end(versions: Result['versions']): void {
    if (this.#stopwatch === undefined) throw new Error('the contestant has not said that it subscribes')
    const result = this.#stopwatch.result(this.#ended, versions)
    this.#ledger?.close()
    process.stdout.write(`${JSON.stringify(result)}\n`)
  }

  /** Handlers for all messages are one closure, with nothing in it that this task does not need. */
  #handler(): (message: BenchMessage) => void | Promise<void> {
    const ledger = this.#ledger
    const work = workOf(this.task.work)
    if (ledger === undefined && work === undefined) {
      return () => {
        this.#start()
        this.#end()
      }
    }
    return (message) => {
      this.#start()
      ledger?.started(message.value)
      const working = work?.(message)
      if (working === undefined) return this.#endOf(message)
      return working.then(() => this.#endOf(message))
    }
  }

  #endOf(message: BenchMessage): void {
    this.#ledger?.ended(message.value)
    this.#end()
  }

  #start(): void {
    this.#started += 1
    if (this.#started > 1) return
    this.#stopwatch?.firstMessage()
    process.stdout.write(`${FIRST_MESSAGE_LINE}\n`)
  }

  #end(): void {
    this.#ended += 1
    if (this.#ended === this.task.messages) this.#finish()
  }
}
