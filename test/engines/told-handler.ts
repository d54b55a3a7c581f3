/**
 * The handler module of the worker threads' tests: does what the message's value says (JSON of {@link Told}) and writes a
 * line of a ledger for each start and each end, with one write each, so that lines of a thread that dies stay.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import {
  DeadLetterMessage,
  DropMessage,
  FatalError,
  type HandlerContext,
  LanewayError,
  type Message,
  RetryMessage,
} from 'laneway'

/** Done in this order. */
export interface Told {
  readonly sleepMs?: number
  readonly spinMs?: number
  /** So much of the heap is kept for good. */
  readonly keepMb?: number
  /** Waits for the signal, then fails with its reason. */
  readonly hang?: boolean
  /** Blocks the thread for good, in the attempts below `until`. */
  readonly block?: boolean
  readonly crash?: 'exit' | 'throw' | 'reject' | 'memory'
  /** The attempts below this one crash or fail. */
  readonly until?: number
  readonly fail?: 'error' | 'uncloneable' | 'laneway' | 'nothing' | 'retry' | 'drop' | 'deadLetter' | 'fatal'
  readonly send?: { readonly topic: string; readonly value: string }
}

export interface Line {
  /** `failed`: it threw. */
  readonly event: 'start' | 'end' | 'failed'
  readonly key: string | null
  readonly offset: number
  readonly partition: number
  readonly attempt: number
  readonly thread: number
}

export interface Data {
  readonly ledger: string
}

class Failure extends Error {
  override readonly name = 'Failure'
  readonly status = 503
  readonly code = 'TOLD_TO'
  readonly socket = { send: () => undefined }
}

function fail(kind: NonNullable<Told['fail']>): never {
  switch (kind) {
    case 'error':
      throw new Failure('told to fail', { cause: new Error('the cause') })
    case 'uncloneable':
      throw Object.assign(() => undefined, { a: Symbol('b') })
    case 'laneway':
      throw new LanewayError('RECORD_INVALID', 'told to fail', { details: { n: 1 } })
    case 'nothing':
      throw undefined
    case 'retry':
      throw new RetryMessage({ delay: 1 })
    case 'drop':
      throw new DropMessage('told to be dropped')
    case 'deadLetter':
      throw new DeadLetterMessage('told to be given up')
    case 'fatal':
      throw new FatalError('told to end')
  }
}

function crash(kind: NonNullable<Told['crash']>): Promise<never> | never {
  if (kind === 'exit') process.exit(7)
  if (kind === 'throw') setImmediate(() => failWith(new Error('told to crash')))
  if (kind === 'reject') void Promise.reject(new Error('told to crash'))
  if (kind === 'memory') fillMemory()
  return new Promise(() => undefined)
}

function failWith(error: Error): never {
  throw error
}

function fillMemory(): never {
  const kept: unknown[] = []
  for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => ({ i })))
}

const kept: number[][] = []

function keep(megabytes: number): void {
  // Small integers take 8 bytes each, or 4.
  for (let i = 0; i < megabytes; i += 1) kept.push(Array.from({ length: 1024 * 128 }, (_, n) => n))
}

function spin(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

export function setUp({ ledger }: Data): (message: Message, context: HandlerContext) => unknown {
  return async (message, context) => {
    const { attempt, signal } = context
    const { offset, partition } = message
    const write = (event: Line['event']): void => {
      const line: Line = { event, key: message.key?.toString() ?? null, offset, partition, attempt, thread: threadId }
      appendFileSync(ledger, `${JSON.stringify(line)}\n`)
    }
    const told = JSON.parse(String(message.value)) as Told
    write('start')
    if (told.send !== undefined) context.send(told.send)
    if (told.sleepMs !== undefined) await sleep(told.sleepMs)
    if (told.spinMs !== undefined) spin(told.spinMs)
    if (told.keepMb !== undefined) keep(told.keepMb)
    if (told.hang === true) {
      await new Promise<void>((_, reject) => {
        signal.addEventListener('abort', () => {
          write('failed')
          reject(signal.reason)
        })
      })
    }
    const isOver = attempt >= (told.until ?? Number.POSITIVE_INFINITY)
    if (told.block === true && !isOver) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    if (told.crash !== undefined && !isOver) await crash(told.crash)
    if (told.fail !== undefined && !isOver) {
      write('failed')
      fail(told.fail)
    }
    write('end')
  }
}
