/** The handler of a contestant in Node: counted, noted in the ledger where there is one, and working as the task says. */
import type { LedgerWriter } from './ledger-writer.js'
import type { Work } from './task.js'
import { type BenchMessage, workOf } from './work.js'

/** Ends when the work for the message has ended: at once, unless the work is to wait. */
export type BenchHandler = (message: BenchMessage) => void | Promise<void>

export interface Counting {
  start(): void
  end(): void
}

/** One closure for all messages, with nothing in it that this work does not need. */
export function benchHandler(kind: Work, ledger: LedgerWriter | undefined, counting: Counting): BenchHandler {
  const work = workOf(kind)
  if (ledger === undefined && work === undefined) {
    return () => {
      counting.start()
      counting.end()
    }
  }
  const end = (message: BenchMessage): void => {
    ledger?.ended(message.value)
    counting.end()
  }
  return (message) => {
    counting.start()
    ledger?.started(message.value)
    const working = work?.(message)
    return working === undefined ? end(message) : working.then(() => end(message))
  }
}
