/**
 * Three HTTP services on loopback that behave as services do: mostly fast, sometimes slow, sometimes failing, and one of
 * them out of order for a while. What each request meets is drawn from a seed.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** How services behave; times in ms, chances of each request. */
const SERVICES = {
  customers: { fastest: 4, spread: 16, slow: { chance: 0.03, ms: 150 }, failing: 0.03, outage: 0 },
  prices: { fastest: 2, spread: 12, slow: { chance: 0.03, ms: 150 }, failing: 0.02, outage: 0.2 },
  reservations: { fastest: 6, spread: 24, slow: { chance: 0.01, ms: 300 }, failing: 0.02, outage: 0 },
}

const OUTAGE_FROM = 1 / 3

/** Answered at once: a caller that has asked for it has a connection, and the first order does not wait for one. */
export const READY = '/ready'

/** @typedef {{ service: string, order: number, method: string, traceparent: string | undefined }} SeenRequest */

/**
 * @param {{ readonly chance: (...question: (string | number)[]) => number, readonly orders: number }} options
 * @returns {Promise<{ urls: Record<string, string>, requests: SeenRequest[], close: () => Promise<void> }>}
 */
export async function startUpstreams({ chance, orders }) {
  /** @type {SeenRequest[]} */
  const requests = []
  /** Orders that have come to any of them: the clock of the outage. */
  const seen = new Set()
  const servers = Object.entries(SERVICES).map(([service, behaviour]) => {
    /** How often each order has asked, so that a second request may meet with better luck. @type {Map<number, number>} */
    const asked = new Map()
    return createServer(async (request, response) => {
      if (request.url === READY) {
        response.end()
        return
      }
      const order = Number(request.url?.split('/').at(-1))
      const nth = (asked.get(order) ?? 0) + 1
      asked.set(order, nth)
      seen.add(order)
      requests.push({ service, order, method: request.method ?? '', traceparent: header(request, 'traceparent') })
      await sleep(delayOf(behaviour, chance, [service, order, nth]))
      const isOut = isInOutage(behaviour, seen.size / orders)
      const isFailing = isOut || chance(service, order, nth, 'fails') < behaviour.failing
      response.writeHead(isFailing ? 503 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(isFailing ? { error: 'unavailable' } : answerOf(service, order)))
    })
  })
  const urls = await Promise.all(servers.map(listen))
  return {
    urls: Object.fromEntries(Object.keys(SERVICES).map((service, i) => [service, urls[i]])),
    requests,
    close: async () => {
      for (const server of servers) server.closeAllConnections()
      await Promise.all(servers.map((server) => once(server.close(), 'close')))
    },
  }
}

function delayOf({ fastest, spread, slow }, chance, question) {
  const isSlow = chance(...question, 'is slow') < slow.chance
  return fastest + spread * chance(...question, 'takes') + (isSlow ? slow.ms : 0)
}

/** Out of order for a part of all orders, once a third of them has come. */
function isInOutage({ outage }, part) {
  return part >= OUTAGE_FROM && part < OUTAGE_FROM + outage
}

function answerOf(service, order) {
  switch (service) {
    case 'customers':
      return { name: `customer ${order % 97}` }
    case 'prices':
      return { cents: 1_000 + ((order * 37) % 900) }
    default:
      return { reservation: `r-${order}` }
  }
}

function header(request, name) {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

async function listen(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}`
}
