/**
 * The obedient handler: it does what the value of its message says, and writes down what it did.
 *
 * Every engine is tested with it, wherever its handlers run: as a function on the main thread, as the module of worker
 * threads ({@link obedientHandlerModule}), as the handler `obey` of a worker in another process. What it wrote is one
 * file, appended line by line by everyone, so that the file's order is the order of what happened, without a clock.
 * It must not decide anything by itself.
 */
import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, threadId } from 'node:worker_threads'
import { DeadLetterMessage, DropMessage, FatalError, RetryMessage } from '../outcomes.js'
import type { Handler, HandlerContext, Message } from '../ports/engine.js'

/** What a message's value may say, as JSON; obeyed in this order. A value that is no JSON object says nothing. */
export interface Orders {
  /** ms of CPU. */
  readonly spinMs?: number
  /** ms; ends early, with an error, when it is cancelled. */
  readonly sleepMs?: number
  /** ms, whatever the signal says. */
  readonly ignoreCancelMs?: number
  readonly hangUntilCancelled?: boolean
  /** In earlier attempts than this one its process, or thread, dies at once. */
  readonly crashUntil?: number
  /** Earlier attempts than this one fail. */
  readonly failUntil?: number
  /** Of that failure: whether another attempt may help. */
  readonly retriable?: boolean
  readonly output?: { readonly topic: string; readonly value: string }
  /** Default: it completes. */
  readonly outcome?: 'fail' | 'retry' | 'drop' | 'deadLetter' | 'fatal'
  /** `retry`: ms. */
  readonly delayMs?: number
  /** `drop` and `deadLetter`. */
  readonly reason?: string
}

/** One line of the ledger. */
export interface LedgerLine {
  /** `end` is written always but after a crash, `cancelled` where the signal fired. */
  readonly event: 'start' | 'cancelled' | 'end'
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly attempt: number
  /** Its process or thread. */
  readonly worker: string
  /** The header of this name. */
  readonly traceparent?: string
  /** Of `start`: see {@link digestOf}. */
  readonly digest?: string
}

export interface ObedientOptions {
  /** The file to append to. Default: the environment variable LANEWAY_LEDGER. */
  readonly ledger?: string | undefined
  /** ms that {@link setUp} takes. Default: 0. */
  readonly startDelayMs?: number | undefined
}

/** For `workerThreads({ module: obedientHandlerModule, data: { ledger } })`. */
export const obedientHandlerModule = new URL(import.meta.url)

const WORKER = isMainThread ? String(process.pid) : `${process.pid}/${threadId}`

class ToldToFail extends Error {
  override readonly name = 'ToldToFail'
  readonly code = 'ToldToFail'

  constructor(readonly retriable: boolean | undefined) {
    super('told to fail')
  }
}

class Cancelled extends Error {
  override readonly name = 'Cancelled'
  readonly code = 'Cancelled'
}

/**
 * SHA-256, in hex, over the key, the value, and name and value of each header, in this order; each with its length before
 * it, in four bytes, big-endian (0xffffffff: null).
 */
export function digestOf({ key, value, headers }: Pick<Message, 'key' | 'value' | 'headers'>): string {
  const hash = createHash('sha256')
  const size = Buffer.alloc(4)
  for (const bytes of [key, value, ...headers.flatMap(([name, content]) => [Buffer.from(name), content])]) {
    size.writeUInt32BE(bytes?.length ?? 0xff_ff_ff_ff)
    hash.update(size)
    if (bytes !== null) hash.update(bytes)
  }
  return hash.digest('hex')
}

/** What the message says; nothing where its value is no JSON object. */
function ordersIn({ value }: Message): Orders {
  if (value?.[0] !== '{'.charCodeAt(0)) return {}
  try {
    return JSON.parse(value.toString()) as Orders
  } catch {
    return {} // Not JSON: just a value that begins like it.
  }
}

function spin(durationMs: number): void {
  const until = performance.now() + durationMs
  while (performance.now() < until);
}

function die(): never {
  if (isMainThread) process.kill(process.pid, 'SIGKILL')
  process.exit(1)
}

const neverMs = 2 ** 31 - 1

/** undefined where nothing is to be waited for: then the handler is synchronous. */
function waiting(orders: Orders, context: HandlerContext, cancelled: () => void): Promise<void> | undefined {
  const { sleepMs = 0, ignoreCancelMs = 0, hangUntilCancelled = false } = orders
  if (sleepMs === 0 && ignoreCancelMs === 0 && !hangUntilCancelled) return undefined
  const sleepWell = async (durationMs: number) => {
    try {
      await sleep(durationMs, undefined, { signal: context.signal })
    } catch (error) {
      cancelled()
      throw new Cancelled('told to stop', { cause: error })
    }
  }
  const wait = async () => {
    if (sleepMs > 0) await sleepWell(sleepMs)
    if (ignoreCancelMs > 0) await sleep(ignoreCancelMs)
    if (hangUntilCancelled) await sleepWell(neverMs)
  }
  return wait()
}

function decide(orders: Orders, { attempt, send }: HandlerContext): void {
  if (attempt < (orders.crashUntil ?? 0)) die()
  if (attempt < (orders.failUntil ?? 0)) throw new ToldToFail(orders.retriable)
  if (orders.output !== undefined) send(orders.output)
  const { outcome, delayMs = 0, reason = 'told to' } = orders
  switch (outcome) {
    case 'fail':
      throw new ToldToFail(orders.retriable)
    case 'retry':
      throw new RetryMessage({ delay: delayMs })
    case 'drop':
      throw new DropMessage(reason)
    case 'deadLetter':
      throw new DeadLetterMessage(reason)
    case 'fatal':
      throw new FatalError('told to end the consumer')
  }
}

/** As the contract with workers brings it along; else the header of this name. */
function traceparentOf({ headers }: Message, context: HandlerContext & { readonly traceparent?: string | undefined }) {
  return context.traceparent ?? headers.find(([name]) => name === 'traceparent')?.[1]?.toString()
}

/** @throws Error where no ledger is named */
export function obedientHandler({ ledger = process.env['LANEWAY_LEDGER'] }: ObedientOptions = {}): Handler {
  if (ledger === undefined) throw new Error('the obedient handler needs a ledger: LANEWAY_LEDGER names it')
  return (message, context) => {
    const { topic, partition, offset } = message
    const key = message.key?.toString() ?? null
    const run = { topic, partition, offset, key, attempt: context.attempt, worker: WORKER }
    const note = (event: LedgerLine['event'], more: Partial<LedgerLine> = {}) => {
      const line: LedgerLine = { event, ...run, ...more }
      appendFileSync(ledger, `${JSON.stringify(line)}\n`)
    }
    const traceparent = traceparentOf(message, context)
    note('start', { digest: digestOf(message), ...(traceparent === undefined ? {} : { traceparent }) })
    const orders = ordersIn(message)
    spin(orders.spinMs ?? 0)
    const waited = waiting(orders, context, () => note('cancelled'))
    if (waited !== undefined) return waited.then(() => decide(orders, context)).finally(() => note('end'))
    try {
      return decide(orders, context)
    } finally {
      note('end')
    }
  }
}

/** For worker threads: the handler, after `startDelayMs`. */
export async function setUp(options: ObedientOptions): Promise<Handler> {
  await sleep(options.startDelayMs ?? 0)
  return obedientHandler(options)
}
