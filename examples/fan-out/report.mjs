/** What a person reads at the end: outcomes, upstreams, breakers, and some traces. */

const LINE_LENGTH = 76

/** @param {ReturnType<typeof import('./summary.mjs').summarize>} summary */
export function textOf(summary) {
  return [
    ...heading('outcomes'),
    ...outcomes(summary),
    ...heading('upstreams'),
    ...table(summary.upstreams),
    ...heading('circuit breakers'),
    ...summary.breakers.map(
      ({ atMs, upstream, state }) => `${`${Math.round(atMs)} ms`.padStart(9)}  ${upstream}: ${state}`,
    ),
    ...heading('traces'),
    ...summary.traces.flatMap(trace),
    '',
  ].join('\n')
}

function heading(title) {
  return ['', `── ${title} ${'─'.repeat(LINE_LENGTH - title.length)}`]
}

function outcomes({ orders, complete, partial, failedAttempts, latencyMs, budgetMs, requests, tracedRequests }) {
  return [
    `${orders} orders: ${complete} complete, ${partial} partial, ${failedAttempts} failed attempts (retried by the consumer)`,
    `handler: p50 ${latencyMs.p50.toFixed(0)} ms, p99 ${latencyMs.p99.toFixed(0)} ms, of a budget of ${budgetMs} ms`,
    `${requests} requests upstream, ${tracedRequests} of them in the trace of their message`,
  ]
}

/** @param {readonly Readonly<Record<string, string | number>>[]} rows */
function table(rows) {
  const names = Object.keys(rows[0])
  const lines = [names, ...rows.map((row) => names.map((name) => shown(row[name])))]
  const widths = names.map((_, i) => Math.max(...lines.map((line) => line[i].length)))
  return lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  )
}

function shown(value) {
  return typeof value === 'number' ? String(Math.round(value)) : value
}

function trace({ title, quote }) {
  const lines = quote.calls.map((call) => {
    const span = call.spanId.padEnd(18)
    const what = `${call.upstream} ${call.method}${call.kind === 'first' ? '' : ` (${call.kind})`}`.padEnd(24)
    return `   ${what} span ${span}${`+${Math.round(call.startedMs)} ms`.padStart(8)} ${`${Math.round(call.tookMs)} ms`.padStart(7)}  ${call.outcome}`
  })
  return [
    `${title}: order ${quote.order}, ${quote.outcome} in ${Math.round(quote.tookMs)} ms`,
    ` trace ${quote.traceId}`,
    ...lines,
  ]
}
