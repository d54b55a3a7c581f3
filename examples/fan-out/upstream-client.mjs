/**
 * One upstream as a handler calls it: each call within what is left of the handler's budget, and with whatever may be done
 * against its failures. From the outside in: retry, circuit breaker, hedge, timeout, the request.
 *
 * Only calls that may be made twice (GET) are retried and hedged. A POST that timed out may have been done.
 */
import {
  CircuitState,
  CountBreaker,
  circuitBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleAll,
  handleWhen,
  isBrokenCircuitError,
  retry,
} from 'cockatiel'
import { HedgeBudget, hedged } from './hedging.mjs'
import { Latencies } from './latencies.mjs'
import { childOf, traceparentOf } from './trace-context.mjs'

/** An attempt may take this part of what is left where another may follow, so that there is time for it. */
const PART_FOR_AN_ATTEMPT = 0.6
const BACKOFF = { initialDelay: 10, maxDelay: 40, generator: fullJitterGenerator }
/** Before this many answers, nobody knows what is slow. */
const ENOUGH_LATENCIES = 30
const FIRST_HEDGE_AFTER_MS = 50

/** An answer that is none. */
export class UpstreamError extends Error {
  /** @param {string} upstream @param {number} status */
  constructor(upstream, status) {
    super(`${upstream} answered ${status}`)
    this.name = 'UpstreamError'
  }
}

/**
 * @typedef {object} Call what was asked of an upstream once, for the trace
 * @property {string} upstream
 * @property {string} method
 * @property {string} spanId
 * @property {'first' | 'retry' | 'hedge'} kind
 * @property {string} outcome
 * @property {number} startedMs since the handler began
 * @property {number} tookMs
 *
 * @typedef {object} Scope what an attempt of a handler gives to its calls
 * @property {import('./trace-context.mjs').Span} span
 * @property {AbortSignal} signal when the budget is used up
 * @property {() => number} leftMs of the budget
 * @property {number} startedAt of performance.now()
 * @property {Call[]} calls where they are noted
 */

export class Upstream {
  counts = { calls: 0, failed: 0, retries: 0, hedges: 0, hedgesWon: 0, timeouts: 0, refusals: 0, shortCircuits: 0 }
  latencies = new Latencies()
  #budget = new HedgeBudget()
  #breaker

  /**
   * @param {{ name: string, url: string, method: 'GET' | 'POST', onBreaker: (name: string, state: string) => void }} options
   */
  constructor({ name, url, method, onBreaker }) {
    this.name = name
    this.url = url
    this.method = method
    this.isIdempotent = method === 'GET'
    this.#breaker = circuitBreaker(handleAll, {
      breaker: new CountBreaker({ threshold: 0.5, size: 20 }),
      halfOpenAfter: 100,
    })
    this.#breaker.onStateChange((state) => onBreaker(name, CircuitState[state]))
  }

  /**
   * @param {number} order
   * @param {Scope} scope
   * @returns {Promise<any>}
   */
  async call(order, scope) {
    this.counts.calls += 1
    // No retry where its wait alone might outlast the budget, and none of a circuit that is open.
    const mayRetry = (error) => this.isIdempotent && !isBrokenCircuitError(error) && scope.leftMs() > BACKOFF.maxDelay
    const policy = retry(handleWhen(mayRetry), { maxAttempts: 2, backoff: new ExponentialBackoff(BACKOFF) })
    try {
      return await policy.execute(({ attempt }) => {
        if (attempt > 0) this.counts.retries += 1
        return this.#breaker.execute(() => this.#attempt(order, scope, attempt > 0 ? 'retry' : 'first'))
      })
    } catch (error) {
      this.counts.failed += 1
      if (isBrokenCircuitError(error)) this.counts.shortCircuits += 1
      throw error
    }
  }

  #attempt(order, scope, kind) {
    if (!this.isIdempotent) return this.#request(order, scope, kind)
    return hedged((signal, isHedge) => this.#request(order, { ...scope, signal }, isHedge ? 'hedge' : kind), {
      afterMs: this.#hedgeAfterMs(),
      budget: this.#budget,
      signal: scope.signal,
    })
  }

  #hedgeAfterMs() {
    return this.latencies.count < ENOUGH_LATENCIES ? FIRST_HEDGE_AFTER_MS : this.latencies.at(0.95)
  }

  async #request(order, { span, signal, leftMs, calls, startedAt }, kind) {
    if (kind === 'hedge') this.counts.hedges += 1
    const timeout = AbortSignal.timeout(
      Math.max(Math.floor(leftMs() * (this.isIdempotent ? PART_FOR_AN_ATTEMPT : 1)), 1),
    )
    const own = childOf(span)
    const from = performance.now()
    const noted = this.#note(own, kind, from - startedAt)
    calls.push(noted)
    try {
      const response = await fetch(`${this.url}/${order}`, {
        method: this.method,
        headers: { traceparent: traceparentOf(own) },
        signal: AbortSignal.any([signal, timeout]),
      })
      noted.outcome = String(response.status)
      const answer = await response.json()
      if (!response.ok) throw new UpstreamError(this.name, response.status)
      this.latencies.add(performance.now() - from)
      if (kind === 'hedge') this.counts.hedgesWon += 1
      return answer
    } catch (error) {
      if (error instanceof UpstreamError) this.counts.refusals += 1
      else if (timeout.aborted) {
        this.counts.timeouts += 1
        noted.outcome = 'timed out'
      }
      throw error
    } finally {
      noted.tookMs = performance.now() - from
    }
  }

  /** @returns {Call} of a request that was not needed any more, until it turns out otherwise */
  #note({ spanId }, kind, startedMs) {
    return { upstream: this.name, method: this.method, spanId, kind, outcome: 'not needed', startedMs, tookMs: 0 }
  }
}
