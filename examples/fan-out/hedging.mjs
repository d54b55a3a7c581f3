/**
 * Hedging: where an answer takes longer than it nearly always does, ask a second time, and take whichever comes first.
 * It cuts the tail that single slow requests make. It is for calls that may be made twice, and it must stay rare: where
 * everything is slow, twice the load is no help.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** At most this part of calls is hedged. */
const MOST_HEDGED = 0.1

/** Counts calls, and allows hedges for a part of them. */
export class HedgeBudget {
  calls = 0
  hedges = 0

  /** @returns {boolean} true where a hedge may start; then it counts */
  take() {
    if (this.hedges >= MOST_HEDGED * this.calls) return false
    this.hedges += 1
    return true
  }
}

/**
 * @param {Promise<unknown>} promise
 * @returns {Promise<false>}
 */
async function hasSettled(promise) {
  await promise.catch(() => undefined)
  return false
}

/**
 * @template T
 * @param {(signal: AbortSignal, isHedge: boolean) => Promise<T>} call made once or twice; the one that is not needed any
 * more is aborted
 * @param {{ readonly afterMs: number, readonly budget: HedgeBudget, readonly signal: AbortSignal }} options
 * @returns {Promise<T>} what the first that succeeds says; where none does, the last error
 */
export async function hedged(call, { afterMs, budget, signal }) {
  budget.calls += 1
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  try {
    const first = call(either, false)
    const isSlow = await Promise.race([hasSettled(first), sleep(afterMs, true, { signal: either })])
    // A first call that failed fails at once: that is for the retry, not for the hedge.
    if (!isSlow || !budget.take()) return await first
    return await Promise.any([first, call(either, true)])
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error
  } finally {
    over.abort()
  }
}
