/** What happened, in figures. */
import { percentile } from './latencies.mjs'

/**
 * @param {object} run
 * @param {number} run.orders
 * @param {number} run.budgetMs
 * @param {readonly import('./handler.mjs').Quote[]} run.quotes
 * @param {readonly import('./upstream-client.mjs').Upstream[]} run.upstreams
 * @param {readonly { atMs: number, upstream: string, state: string }[]} run.breakers
 * @param {readonly import('./upstreams.mjs').SeenRequest[]} run.requests
 * @param {ReadonlyMap<number, string>} run.traceIds of the orders' messages
 */
export function summarize({ orders, budgetMs, quotes, upstreams, breakers, requests, traceIds }) {
  const outcome = (name) => quotes.filter((quote) => quote.outcome === name).length
  const took = quotes.map(({ tookMs }) => tookMs)
  return {
    orders,
    budgetMs,
    complete: outcome('complete'),
    partial: outcome('partial'),
    failedAttempts: outcome('failed'),
    latencyMs: { p50: percentile(took, 0.5), p99: percentile(took, 0.99) },
    requests: requests.length,
    tracedRequests: requests.filter(({ order, traceparent }) => traceparent?.split('-')[1] === traceIds.get(order))
      .length,
    postsPerAttempt: mostPostsPerAttempt(requests, quotes),
    upstreams: upstreams.map(rowOf),
    breakers,
    traces: samples(quotes),
  }
}

function rowOf({ name, method, counts, latencies }) {
  const { calls, failed, retries, hedges, hedgesWon, timeouts, refusals, shortCircuits } = counts
  return {
    upstream: `${name} (${method})`,
    calls,
    'fell back': failed,
    retries,
    hedges,
    'hedges won': hedgesWon,
    timeouts,
    errors: refusals,
    'short circuits': shortCircuits,
    'p50 ms': latencies.at(0.5),
    'p99 ms': latencies.at(0.99),
  }
}

/** A POST must not be sent twice by one attempt. */
function mostPostsPerAttempt(requests, quotes) {
  const attempts = new Map()
  for (const { order } of quotes) attempts.set(order, (attempts.get(order) ?? 0) + 1)
  const posts = new Map()
  for (const { method, order } of requests) if (method === 'POST') posts.set(order, (posts.get(order) ?? 0) + 1)
  return Math.max(...[...posts].map(([order, count]) => count / (attempts.get(order) ?? 1)))
}

/** One trace for each thing worth seeing, where it has happened. */
function samples(quotes) {
  const wanted = {
    'all in time': (quote) => quote.calls.length === 3 && quote.outcome === 'complete',
    'a hedge that won': (quote) => quote.calls.some(({ kind, outcome }) => kind === 'hedge' && outcome === '200'),
    'a retry that helped': (quote) => quote.outcome === 'complete' && quote.calls.some(({ kind }) => kind === 'retry'),
    'a circuit that is open': (quote) => quote.fallbacks.includes('prices') && quote.calls.length === 2,
  }
  return Object.entries(wanted).flatMap(([title, isSo]) => {
    const quote = quotes.find(isSo)
    return quote === undefined ? [] : [{ title, quote }]
  })
}
