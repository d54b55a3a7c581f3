/**
 * The handler of a member whose handlers are elsewhere: in worker threads ({@link setUp}) or in a process (worker.ts). It
 * works as the member's own does, and sometimes takes its thread or process down in the middle.
 *
 * Each worker has a ledger of its own beside its member's. It knows neither epochs nor takes: attribution.ts adds them.
 */
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, threadId } from 'node:worker_threads'
import type { Handler } from '../ts/ports/engine.js'
import { LedgerWriter, workerLedgerPath } from './ledger.js'
import { workOf } from './workload.js'

export interface WorkerHandlerOrder {
  readonly member: string
  /** Of the member. */
  readonly ledger: string
  readonly seed: number
}

export class PlannedFailure extends Error {}

/** In the three ways in which a worker may end by itself. */
function die(offset: number): void {
  if (isMainThread) process.kill(process.pid, 'SIGKILL')
  else if (offset % 2 === 0) process.exit(1)
  else
    setImmediate(() => {
      throw new Error('planned: this thread crashes')
    })
}

export function workerHandler({ member, ledger: memberLedger, seed }: WorkerHandlerOrder): Handler {
  // Not the thread's number alone: it begins again with each process.
  const worker = `${process.pid}-${threadId}`
  const ledger = new LedgerWriter(workerLedgerPath(dirname(memberLedger), member, worker))
  let runs = 0
  return (message, { attempt }) => {
    const { topic, partition, offset } = message
    runs += 1
    const key = message.key?.toString('latin1') ?? null
    const value = message.value?.toString('latin1') ?? ''
    const run = { topic, partition, offset, key, value, attempt, run: `${worker}/${runs}` }
    ledger.write({ event: 'worker-start', ...run })
    const { durationMs, fails, crashes } = workOf(seed, partition, offset, attempt)
    if (crashes) {
      ledger.write({ event: 'worker-dies' })
      die(offset)
      return new Promise(() => undefined)
    }
    const end = (): void => {
      ledger.write({ event: fails ? 'worker-failed' : 'worker-end', ...run })
      if (fails) throw new PlannedFailure('planned')
    }
    return durationMs === 0 ? end() : sleep(durationMs).then(end)
  }
}

/** For worker threads. */
export const setUp = workerHandler
