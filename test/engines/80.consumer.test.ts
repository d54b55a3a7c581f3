/** A whole consumer with these engines, on the embedded broker: nothing is lost, and no key is out of order. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Engine, LanewayError, ParallelConsumer, processes, remoteWorkers } from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HandWorker } from './hand-worker.js'

interface Noted {
  readonly event: string
  readonly pid: number
  readonly partition: number
  readonly offset: number
  readonly key: string
}

const MESSAGES = 1_500
const KEYS = 25
const KILLS = 4
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const folder = mkdtempSync(join(tmpdir(), 'laneway-test-'))
const ledger = join(folder, 'ledger')
const broker = new MockBroker()
test.after(() => {
  broker.close()
  rmSync(folder, { recursive: true, force: true })
})

async function fill(topic: string): Promise<void> {
  broker.createTopic(topic)
  const producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  for (let i = 0; i < MESSAGES; i += 1) await producer.send({ topic, key: `key ${i % KEYS}`, value: `${i}` })
  await producer.flush()
  await producer.close()
}

function consumerOf(topic: string, engine: Engine): ParallelConsumer {
  const kafka = { 'bootstrap.servers': broker.bootstrapServers, 'group.id': `group of ${topic}` }
  const retry = { maxAttempts: 100, delay: 1 }
  return new ParallelConsumer({ kafka, topics: [topic], engine, retry, logger: silent, commitInterval: 50 })
}

function noted(): Noted[] {
  if (!existsSync(ledger)) return []
  return readFileSync(ledger, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Noted)
}

const placeOf = ({ partition, offset }: Noted): string => `${partition}/${offset}`

const laneOf = ({ partition, key }: Noted): string => `${partition}/${key}`

function checkOrder(events: readonly Noted[]): void {
  const lanes = new Set(events.filter(({ event }) => event === 'start').map(laneOf))
  for (const lane of lanes) checkLane(lane, events)
}

/**
 * Each message of a key starts when the one before it has ended, whoever runs them. What a killed worker ran starts again:
 * its last one, and those right before it that it ran too, since their settlements may not have left it.
 */
function checkLane(lane: string, everything: readonly Noted[]): void {
  const events = everything.filter((each) => each.event === 'killed' || laneOf(each) === lane)
  const starts = events.filter(({ event }) => event === 'start')
  const offsets = [...new Set(starts.map(({ offset }) => offset))].sort((a, b) => a - b)
  const killed = new Set<number>()
  const ran: { pid: number; hasEnded: boolean }[] = []
  for (const { event, pid, offset } of events) {
    const last = ran.at(-1)
    if (event === 'killed') killed.add(pid)
    if (event === 'end' && last !== undefined) last.hasEnded = true
    if (event !== 'start') continue
    const again = ran.splice(offsets.indexOf(offset))
    const isOfOneKilled = again.every((run) => run.pid === again[0]?.pid && killed.has(run.pid))
    assert.ok(isOfOneKilled, `${lane}: ${offset} starts again, which nobody ran who was killed`)
    const isNext = offsets[ran.length] === offset && ran.every(({ hasEnded }) => hasEnded)
    assert.ok(isNext, `${lane}: ${offset} starts before those before it have ended`)
    ran.push({ pid, hasEnded: false })
  }
}

test('processes that are killed again and again: every message is handled, each key in order', async () => {
  await fill('killed')
  const childWorker = fileURLToPath(new URL('./child-worker.js', import.meta.url))
  const engine = processes({
    command: process.execPath,
    args: [childWorker, 'slow'],
    count: 2,
    env: { LANEWAY_LEDGER: ledger },
    restart: { initial: 1, max: 10 },
  })
  const consumer = consumerOf('killed', engine)
  const running = consumer.run()
  const killed = new Set<number>()
  const done = () =>
    new Set(
      noted()
        .filter(({ event }) => event === 'end')
        .map(placeOf),
    ).size
  while (done() < MESSAGES) {
    await delay(50)
    const last = noted().findLast(({ event }) => event === 'start')
    if (killed.size === KILLS || last === undefined || killed.has(last.pid)) continue
    killed.add(last.pid)
    process.kill(last.pid, 'SIGKILL')
    appendFileSync(ledger, `${JSON.stringify({ event: 'killed', pid: last.pid })}\n`)
  }
  while (consumer.stats().settled < MESSAGES) await delay(10)
  await consumer.close()
  await running
  assert.is(killed.size, KILLS)
  checkOrder(noted())
})

test('workers that dial in: one leaves in the middle, another one comes', async () => {
  await fill('dialled')
  const engine = remoteWorkers({ listen: '127.0.0.1:0', leaseTimeout: 100 })
  const consumer = consumerOf('dialled', engine)
  const running = consumer.run()
  while (engine.address === undefined) await delay(1)
  const first = new HandWorker(engine.address)
  first.hello({ credits: 50 })
  await first.leased(50)
  first.drop()
  const second = new HandWorker(engine.address)
  second.hello({ credits: 100 })
  second.obey()
  while (consumer.stats().settled < MESSAGES) await delay(10)
  await consumer.close()
  await running
  const seen = new Set(second.leases.map(({ partition, offset }) => `${partition}/${offset}`))
  assert.is(seen.size, MESSAGES)
})

test('an engine that cannot start ends run() with its error', async () => {
  broker.createTopic('nowhere')
  const engine = remoteWorkers({ listen: 'unix:/no/such/folder/socket' })
  try {
    await consumerOf('nowhere', engine).run()
    assert.unreachable()
  } catch (error) {
    assert.is(LanewayError.is(error) && error.code, 'LISTEN_FAILED')
  }
})

test('a command that does not exist ends run() with a typed error', async () => {
  broker.createTopic('no command')
  const engine = processes({ command: 'no-such-command-of-laneway', restart: { initial: 1, max: 2, giveUpAfter: 2 } })
  try {
    await consumerOf('no command', engine).run()
    assert.unreachable()
  } catch (error) {
    assert.is(LanewayError.is(error) && error.code, 'WORKERS_FAILED')
  }
})

test.run()
