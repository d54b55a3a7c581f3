/**
 * The handler of the engines benchmark, wherever it runs; worker.py and worker.go do the same. It works as it is told, and
 * notes each message where it is to: partition, offset, key, and µs since the time that the value says.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Handler, Message } from 'laneway'
import { SPIN_US, WAIT_MS, type Work } from './order.js'

export interface HandlerOrder {
  readonly work: Work
  /** '': nothing is noted. */
  readonly log: string
}

/** µs since the epoch. */
export const now = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000)

function note(log: string, { partition, offset, key, value }: Message): void {
  const late = now() - Number(value?.subarray(0, 16))
  appendFileSync(log, `${partition} ${offset} ${key} ${late}\n`)
}

function spin(): void {
  const until = performance.now() + SPIN_US / 1000
  while (performance.now() < until);
}

function handlerOf(work: Work): (message: Message) => unknown {
  if (work === 'none') return () => undefined
  if (work === 'spin') return spin
  return () => sleep(WAIT_MS)
}

export function benchHandler({ work, log }: HandlerOrder): Handler {
  const handle = handlerOf(work)
  if (log === '') return handle
  return (message) => {
    note(log, message)
    return handle(message)
  }
}

/** For worker threads. */
export const setUp = benchHandler
