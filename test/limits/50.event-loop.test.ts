/**
 * The library never keeps the event loop for more than 10 ms, whatever the handlers: a turn of it ends after 5 ms, and
 * no native call waits for anything.
 *
 * Measured is every turn of the event loop, from one `setImmediate` to the next, in a run that keeps it busy all the
 * time. What counts is the time that the main thread ran or waited for a lock. The time that it waited for a processor
 * is subtracted, because that is what other programs took; Linux counts both for each thread.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Handler, ParallelConsumer } from '../../ts/index.js'
import type { Broker } from '../broker/broker.js'
import { runToEnd } from '../broker/run-to-end.js'
import { brokerTest, sharedBroker, until } from '../integration/support.js'

const broker = sharedBroker()

const TOPIC = 'event-loop'
const MESSAGES = 1_000_000
const FILL_DEADLINE_MS = 60_000
const MOST_MS = 10

/** By the handlers of the test that runs. */
let handled = 0

/** Time of the main thread, but for that in which it was ready to run and others ran. */
class OwnTime {
  readonly #file = openSync('/proc/self/schedstat', 'r')
  readonly #buffer = Buffer.alloc(128)

  /** In ms, from any start. */
  now(): number {
    const size = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0)
    const [, waitedNs = 0] = this.#buffer.toString('latin1', 0, size).split(' ').map(Number)
    return performance.now() - waitedNs / 1e6
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** The own time of each turn of the event loop in which messages were handled, until it is told to stop. */
class TurnProbe {
  readonly #time = new OwnTime()
  readonly turnsMs: number[] = []
  #handledBefore = handled
  #last = this.#time.now()
  #isOver = false

  constructor() {
    this.#next()
  }

  #next(): void {
    setImmediate(() => {
      if (this.#isOver) return this.#time.close()
      const now = this.#time.now()
      if (handled !== this.#handledBefore) this.turnsMs.push(now - this.#last)
      this.#handledBefore = handled
      this.#last = now
      this.#next()
    })
  }

  stop(): number[] {
    this.#isOver = true
    return this.turnsMs.toSorted((a, b) => a - b)
  }
}

let filled: Promise<void> | undefined
async function fill(kafka: Broker): Promise<void> {
  await kafka.createTopic(TOPIC, { partitions: 2 })
  const script = fileURLToPath(new URL('./stalled-head-topic.js', import.meta.url))
  const args = [script, kafka.bootstrapServers, TOPIC, 'head', String(MESSAGES / 2)]
  const { status, output } = await runToEnd(process.execPath, args, { deadlineMs: FILL_DEADLINE_MS })
  if (status !== 0) throw new Error(`the topic could not be filled: ${output}`)
}

const inMs = (ms: number | undefined): string => `${ms?.toFixed(1)} ms`

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? Number.NaN
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  'a synchronous handler': () => {
    handled += 1
  },
  'an asynchronous handler that waits for nothing': async () => {
    handled += 1
  },
  'an asynchronous handler that waits for a turn': () =>
    new Promise<void>((resolve) =>
      setImmediate(() => {
        handled += 1
        resolve()
      }),
    ),
}

for (const [kind, handler] of Object.entries(HANDLERS)) {
  brokerTest(`the event loop is never kept for more than ${MOST_MS} ms with ${kind}`, async () => {
    const kafka = await broker()
    filled ??= fill(kafka)
    await filled
    handled = 0
    const consumer = new ParallelConsumer({
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': `${TOPIC} ${kind}` },
      topics: [TOPIC],
    })
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const running = consumer.run(handler)
    await until('the first message', () => handled > 0)
    const probe = new TurnProbe()
    delay.enable()
    await until('all messages', () => handled > MESSAGES)
    delay.disable()
    const turns = probe.stop()
    await consumer.close()
    await running
    const [p50, p95, p99, longest] = [0.5, 0.95, 0.99, 1].map((part) => at(turns, part))
    const byTheClock = delay.percentile(95) / 1e6
    process.stdout.write(
      `  ${kind}: ${turns.length} turns of ${inMs(p50)} (median), p95 ${inMs(p95)}, p99 ${inMs(p99)}, longest ` +
        `${inMs(longest)}; by the clock, with all else that this machine does, p95 ${inMs(byTheClock)}\n`,
    )
    assert.ok(turns.length > 20, `${turns.length} turns say nothing`)
    assert.ok((p95 ?? Number.NaN) <= MOST_MS, `p95 is ${inMs(p95)}`)
  })
}

test.run()
