/**
 * How late messages were: from the time that the producer's ledger has for each (when it was due, in an open loop) to the
 * end of its handler. A producer or a consumer that stalls makes every message behind it late, as it does for users.
 */
import type { Ledger } from './ledger.js'

/** Of one message; `dueAt` is in µs since the epoch. */
export type DelayVisitor = (delayMs: number, key: number, dueAt: number) => void

/**
 * Visits every message whose handler ended, in the order of these ends. The first `warmUp` messages of the producer are
 * left out.
 */
export function forEachDelay(produced: Ledger, handled: Ledger, warmUp: number, visit: DelayVisitor): void {
  const dueTimes = dueTimesOf(produced, warmUp)
  for (let i = 0; i < handled.length; i += 1) {
    if (!handled.isEnd(i)) continue
    const key = handled.key(i)
    const dueAt = dueTimes.get(key)?.[handled.sequence(i)]
    if (dueAt !== undefined) visit((handled.micros(i) - dueAt) / 1000, key, dueAt)
  }
}

/** By key and sequence number. */
function dueTimesOf(produced: Ledger, warmUp: number): Map<number, (number | undefined)[]> {
  const dueTimes = new Map<number, (number | undefined)[]>()
  for (let i = 0; i < produced.length; i += 1) {
    const key = produced.key(i)
    const times = dueTimes.get(key)
    const dueAt = i < warmUp ? undefined : produced.micros(i)
    if (times === undefined) dueTimes.set(key, [dueAt])
    else times.push(dueAt)
  }
  return dueTimes
}
