/**
 * The handler: it asks three upstreams at once what an order needs, waits no longer than its budget, and puts together what
 * came in time. What did not, has a fallback; only an order of which nothing came at all is a failed attempt, and the
 * consumer's retry policy brings it again.
 */
import { spanOf } from './trace-context.mjs'

/** What stands in for an upstream that did not answer. */
const FALLBACKS = {
  customers: { name: 'customer' },
  prices: { cents: undefined },
  reservations: { reservation: undefined },
}

/**
 * @typedef {object} Quote what became of one attempt
 * @property {number} order
 * @property {number} attempt
 * @property {'complete' | 'partial' | 'failed'} outcome
 * @property {readonly string[]} fallbacks the upstreams that did not answer
 * @property {string} traceId
 * @property {number} tookMs
 * @property {readonly import('./upstream-client.mjs').Call[]} calls
 */

/**
 * @param {{ readonly upstreams: readonly import('./upstream-client.mjs').Upstream[], readonly budgetMs: number,
 *   readonly onQuote: (quote: Quote) => void }} options
 * @returns {import('laneway').Handler}
 */
export function quoting({ upstreams, budgetMs, onQuote }) {
  return async (message, context) => {
    const startedAt = performance.now()
    const { order } = JSON.parse(String(message.value))
    const span = spanOf(headerOf(message, 'traceparent'))
    const scope = {
      span,
      signal: AbortSignal.any([context.signal, AbortSignal.timeout(budgetMs)]),
      leftMs: () => budgetMs - (performance.now() - startedAt),
      startedAt,
      /** @type {import('./upstream-client.mjs').Call[]} */
      calls: [],
    }
    const answers = await Promise.allSettled(upstreams.map((upstream) => upstream.call(order, scope)))
    const fallbacks = upstreams.filter((_, i) => answers[i].status === 'rejected').map(({ name }) => name)
    const outcome = ['complete', 'partial', 'partial', 'failed'][fallbacks.length]
    const { calls } = scope
    const { attempt } = context
    onQuote({ order, attempt, outcome, fallbacks, traceId: span.traceId, tookMs: performance.now() - startedAt, calls })
    if (outcome === 'failed') throw new Error(`no upstream has answered for order ${order}`)
    return Object.assign({}, ...upstreams.map(({ name }, i) => answers[i].value ?? FALLBACKS[name]))
  }
}

function headerOf({ headers }, name) {
  return headers.find(([each]) => each === name)?.[1]?.toString()
}
