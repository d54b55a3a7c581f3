/**
 * One run of the engines benchmark: a consumer with one engine drains a topic, or follows one that is produced to at a
 * steady rate. Time and CPU run from the end of the first tenth of a drain, so that neither joining the group nor starting
 * workers counts. The result is one JSON line.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ParallelConsumer } from 'laneway'
import { measured } from './engine/engines.js'
import { benchHandler } from './engine/handler.js'
import { type EngineOrder, type EngineResult, engineOrder, WARM_UPS, type Work } from './engine/order.js'
import { descendantsCpuSeconds } from './engine/processes-cpu.js'
import { endAtDeadline } from './task.js'

/** A look takes up to half a millisecond (it goes through all lanes); a drain without work takes 100 ms, one with work seconds. */
const LOOK_MS: Readonly<Record<Work, number>> = { none: 2, spin: 50, wait: 50 }
/** Of a drain. */
const UNCOUNTED_SHARE = 0.1
const producer = fileURLToPath(new URL('./engine/producer.js', import.meta.url))

interface Reading {
  readonly at: number
  readonly settled: number
  readonly hostCpuSeconds: number
  readonly workersCpuSeconds: number
}

function read(consumer: ParallelConsumer): Reading {
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  return {
    at: performance.now(),
    settled: consumer.stats().settled,
    hostCpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    workersCpuSeconds: descendantsCpuSeconds(),
  }
}

async function settled(consumer: ParallelConsumer, count: number, lookMs: number): Promise<Reading> {
  while (consumer.stats().settled < count) await sleep(lookMs)
  return read(consumer)
}

async function produce({ brokers, topic, messages }: EngineOrder, perSecond: number): Promise<void> {
  const args = [producer, brokers, topic, String(messages), String(perSecond)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [status] = (await once(child, 'exit')) as [number | null]
  if (status !== 0) throw new Error(`the producer ended with ${status}`)
}

async function work(order: EngineOrder, consumer: ParallelConsumer): Promise<EngineResult> {
  const { load, messages } = order
  const lookMs = LOOK_MS[order.work]
  // Until then workers start, one after the other; the topic that is followed has one message to begin with.
  const first = await settled(consumer, load.kind === 'follow' ? 1 : Math.ceil(messages * UNCOUNTED_SHARE), lookMs)
  if (load.kind === 'follow') await produce(order, load.perSecond)
  const last = await settled(consumer, load.kind === 'follow' ? messages + WARM_UPS : messages, lookMs)
  return {
    messages: last.settled - first.settled,
    seconds: (last.at - first.at) / 1000,
    hostCpuSeconds: last.hostCpuSeconds - first.hostCpuSeconds,
    workersCpuSeconds: last.workersCpuSeconds - first.workersCpuSeconds,
  }
}

async function run(order: EngineOrder): Promise<void> {
  const handling = { work: order.work, log: order.log }
  const { engine, startWorkers, stopWorkers } = measured(order.engine, handling)
  await using consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': order.brokers, 'group.id': order.group, ...order.properties },
    topics: [order.topic],
    engine,
  })
  const running = consumer.run(engine.handlers === 'elsewhere' ? undefined : benchHandler(handling))
  await startWorkers()
  // Ends early, with a typed error, only where the consumer cannot go on.
  const result = await Promise.race([work(order, consumer), running])
  process.stdout.write(`${JSON.stringify(result)}\n`)
  await consumer.close()
  await running
  stopWorkers()
}

const order = engineOrder.parse(JSON.parse(process.argv[2] ?? ''))
endAtDeadline(order)
await run(order)
