/** The handler of laneway's contestants where it runs elsewhere: the module of a worker thread, used by processes too. */
import { type BenchHandler, benchHandler } from './handler.js'
import { LedgerWriter } from './ledger-writer.js'
import type { Task } from './task.js'

/** The environment variable that tells a process its task. */
export const TASK_VARIABLE = 'LANEWAY_BENCH_TASK'

const uncounted = { start: () => undefined, end: () => undefined }

export function setUp({ work, ledger }: Task): BenchHandler {
  // Written at once: the order of what several threads or processes append is that in which it happened.
  return benchHandler(work, ledger === undefined ? undefined : new LedgerWriter(ledger, 'each'), uncounted)
}
