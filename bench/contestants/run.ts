/**
 * One run of a contestant in Node: its task, its handler, and its result. A contestant calls `subscribing()` right before
 * it subscribes, hands every message to `handle`, waits for `finished`, calls `end()` and closes its client.
 */
import { type BenchHandler, benchHandler } from './handler.js'
import { LedgerWriter } from './ledger-writer.js'
import { burnPlanted } from './planted.js'
import { Stopwatch } from './stopwatch.js'
import { endAtDeadline, FIRST_MESSAGE_LINE, parseTask, type Result, type Task } from './task.js'

/** What other processes used that belong to the contestant. */
export interface Elsewhere {
  readonly cpuSeconds: number
  readonly maxRssKib: number
}

export class Run {
  readonly task: Task
  /** Settles when the last handler has ended. */
  readonly finished: Promise<void>
  readonly handle: BenchHandler
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
    const { ledger, flush, work } = this.task
    this.#ledger = ledger === undefined ? undefined : new LedgerWriter(ledger, flush)
    this.handle = benchHandler(work, this.#ledger, { start: () => this.#start(), end: () => this.#end() })
  }

  /** Time and CPU run from here. */
  subscribing(): void {
    this.#stopwatch = new Stopwatch()
  }

  /** The first handler starts. `handle` says so itself; for handlers that run in other threads or processes. */
  firstMessage(): void {
    this.#stopwatch?.firstMessage()
    process.stdout.write(`${FIRST_MESSAGE_LINE}\n`)
  }

  /** Prints the result: of as many messages as `handle` has handled, or as are given. */
  end(
    versions: Result['versions'],
    messages = this.#ended,
    elsewhere: Elsewhere = { cpuSeconds: 0, maxRssKib: 0 },
  ): void {
    if (this.#stopwatch === undefined) throw new Error('the contestant has not said that it subscribes')
    const own = this.#stopwatch.result(messages, versions)
    this.#ledger?.close()
    const cpuSeconds = own.cpuSeconds + elsewhere.cpuSeconds
    const maxRssKib = own.maxRssKib + elsewhere.maxRssKib
    process.stdout.write(`${JSON.stringify({ ...own, cpuSeconds, maxRssKib })}\n`)
  }

  #start(): void {
    this.#started += 1
    if (this.#started === 1) this.firstMessage()
  }

  #end(): void {
    this.#ended += 1
    if (this.#ended !== this.task.messages) return
    if (this.#stopwatch !== undefined) burnPlanted(this.#stopwatch.result(this.#ended, {}))
    this.#finish()
  }
}
