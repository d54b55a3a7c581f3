/**
 * Fan-out: a handler that asks three upstreams within a budget of 200 ms, and survives what they do.
 *
 *   npm run example:fan-out [-- --orders 600 --seed 7 --budget 200 --json]
 *
 * Everything is in this process: a mock Kafka broker, three HTTP services on loopback that are slow, fail and break down by
 * seed, and a ParallelConsumer with the handler.
 */
import { parseArgs } from 'node:util'
import { exponentialBackoff, ParallelConsumer } from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { chanceFrom } from './chance.mjs'
import { quoting } from './handler.mjs'
import { textOf } from './report.mjs'
import { summarize } from './summary.mjs'
import { newTrace, traceparentOf } from './trace-context.mjs'
import { Upstream } from './upstream-client.mjs'
import { READY, startUpstreams } from './upstreams.mjs'

const TOPIC = 'orders'
const METHODS = /** @type {const} */ ({ customers: 'GET', prices: 'GET', reservations: 'POST' })

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '600' },
    seed: { type: 'string', default: '7' },
    budget: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
})
const orders = numberOption('orders')
const budgetMs = numberOption('budget')

const broker = new MockBroker()
broker.createTopic(TOPIC)
const traceIds = await produceOrders()
const services = await startUpstreams({ chance: chanceFrom(numberOption('seed')), orders })

const startedAt = performance.now()
/** @type {{ atMs: number, upstream: string, state: string }[]} */
const breakers = []
const onBreaker = (upstream, state) => breakers.push({ atMs: performance.now() - startedAt, upstream, state })
const upstreams = Object.entries(METHODS).map(
  ([name, method]) => new Upstream({ name, url: services.urls[name], method, onBreaker }),
)

await Promise.all(Object.values(services.urls).map((url) => fetch(url + READY)))

/** @type {import('./handler.mjs').Quote[]} */
const quotes = []
const consumer = new ParallelConsumer({
  kafka: { 'bootstrap.servers': broker.bootstrapServers, 'group.id': 'quotes', 'auto.offset.reset': 'earliest' },
  topics: [TOPIC],
  concurrency: 16,
  retry: { maxAttempts: 5, delay: exponentialBackoff({ initial: 50, max: 1_000 }) },
})
let left = orders
const handler = quoting({
  upstreams,
  budgetMs,
  onQuote: (quote) => {
    quotes.push(quote)
    if (quote.outcome !== 'failed') left -= 1
    if (!values.json && quotes.length % 100 === 0) process.stderr.write(`${orders - left} of ${orders} orders\n`)
    if (left === 0) consumer.close()
  },
})
try {
  await consumer.run(handler)
} finally {
  await services.close()
  broker.close()
}

const { requests } = services
const summary = summarize({ orders, budgetMs, quotes, upstreams, breakers, requests, traceIds })
process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : textOf(summary))

/** Each in a trace of its own, as if its producer had begun it. */
async function produceOrders() {
  const traces = new Map()
  const producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  for (let order = 0; order < orders; order += 1) {
    const span = newTrace()
    traces.set(order, span.traceId)
    await producer.send({
      topic: TOPIC,
      key: `customer-${order % 97}`,
      value: JSON.stringify({ order }),
      headers: [['traceparent', traceparentOf(span)]],
    })
  }
  await producer.flush()
  await producer.close()
  return traces
}

function numberOption(name) {
  const number = Number(values[name])
  if (Number.isInteger(number) && number > 0) return number
  process.stderr.write(`--${name} wants a whole number above 0\n`)
  process.exit(2)
}
