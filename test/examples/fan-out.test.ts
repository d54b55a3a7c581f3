/** The fan-out example does what it is there to show. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runExample } from './example.js'

interface Row {
  readonly upstream: string
  readonly calls: number
  readonly 'fell back': number
  readonly retries: number
  readonly hedges: number
  readonly errors: number
  readonly 'short circuits': number
}

interface Summary {
  readonly orders: number
  readonly complete: number
  readonly partial: number
  readonly requests: number
  readonly tracedRequests: number
  readonly postsPerAttempt: number
  readonly upstreams: readonly Row[]
  readonly breakers: readonly { readonly upstream: string; readonly state: string }[]
  readonly traces: readonly { readonly title: string; readonly quote: { readonly calls: readonly unknown[] } }[]
}

const summary = await runExample<Summary>('fan-out', '--orders', '500', '--seed', '3')
const row = (name: string): Row => {
  const found = summary.upstreams.find(({ upstream }) => upstream.startsWith(name))
  if (found === undefined) throw new Error(`no upstream ${name}`)
  return found
}

test('every order gets an answer, complete or in part', () => {
  assert.is(summary.complete + summary.partial, summary.orders)
  assert.ok(summary.complete > 0)
  assert.ok(summary.partial > 0)
})

test('every request upstream is in the trace of its message', () => {
  assert.ok(summary.requests > summary.orders)
  assert.is(summary.tracedRequests, summary.requests)
})

test('what may be called twice is retried and hedged, and nothing else is', () => {
  assert.ok(row('customers').retries + row('prices').retries > 0)
  assert.ok(row('customers').hedges + row('prices').hedges > 0)
  assert.is(row('reservations').retries, 0)
  assert.is(row('reservations').hedges, 0)
  assert.ok(row('reservations').errors > 0)
  assert.ok(summary.postsPerAttempt <= 1)
})

test('the circuit of the upstream that breaks down opens, spares it calls, and closes again', () => {
  const states = summary.breakers.filter(({ upstream }) => upstream === 'prices').map(({ state }) => state)
  assert.is(states[0], 'Open')
  assert.ok(states.includes('Closed'))
  assert.ok(row('prices')['short circuits'] > 0)
})

test('hedges stay rare', () => {
  for (const name of ['customers', 'prices']) {
    // Each retry may be hedged, too.
    assert.ok(row(name).hedges <= 0.1 * (row(name).calls + row(name).retries) + 1)
  }
})

test('there are traces to see', () => {
  assert.ok(summary.traces.some(({ title }) => title === 'all in time'))
  for (const { quote } of summary.traces) assert.ok(quote.calls.length >= 2)
})

test.run()
