/**
 * laneway by its public API. Further arguments say the order, the form of the handler and the engine
 * (bench/contestants/laneway-contestants.ts).
 */
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Engine, type Handler, inline, ParallelConsumer, processes, workerThreads } from 'laneway'
import { z } from 'zod'
import { addon } from '../../ts/native.js'
import { descendantsCpuSeconds, descendantsPeakKib } from './engine/processes-cpu.js'
import { ENGINES, FORMS, ORDERS } from './laneway-contestants.js'
import { TASK_VARIABLE } from './laneway-handler.js'
import { Run } from './run.js'
import type { Task } from './task.js'

/** How often the end is looked for where handlers run elsewhere. */
const LOOK_MS = 2

const formSchema = z.tuple([z.enum(ORDERS), z.enum(FORMS), z.enum(ENGINES)])

function engineOf(kind: (typeof ENGINES)[number], task: Task): Engine {
  switch (kind) {
    case 'inline':
      return inline()
    case 'threads':
      return workerThreads({
        module: new URL('./laneway-handler.js', import.meta.url),
        threads: availableParallelism(),
        data: task,
      })
    case 'processes':
      return processes({
        command: process.execPath,
        args: [fileURLToPath(new URL('./laneway-worker.js', import.meta.url))],
        count: availableParallelism(),
        env: { [TASK_VARIABLE]: JSON.stringify(task) },
      })
  }
}

function handlerOf(run: Run, form: (typeof FORMS)[number]): Handler {
  if (form === 'plain') return run.handle
  return async (message) => {
    await run.handle(message)
  }
}

/** Handlers elsewhere cannot count for all of them: the consumer does. */
async function settledElsewhere(consumer: ParallelConsumer, run: Run): Promise<void> {
  while (consumer.stats().settled === 0 && consumer.stats().inFlight === 0) await sleep(LOOK_MS)
  run.firstMessage()
  while (consumer.stats().settled < run.task.messages) await sleep(LOOK_MS)
}

async function consume(run: Run, [order, form, kind]: z.output<typeof formSchema>): Promise<void> {
  const { brokers, topic, group, properties, concurrency } = run.task
  const engine = engineOf(kind, run.task)
  await using consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': brokers, 'group.id': group, 'auto.offset.reset': 'earliest', ...properties },
    topics: [topic],
    order,
    concurrency,
    engine,
  })
  run.subscribing()
  const isElsewhere = engine.handlers === 'elsewhere'
  const running = consumer.run(isElsewhere ? undefined : handlerOf(run, form))
  // Ends early, with a typed error, only where the consumer cannot go on.
  await Promise.race([isElsewhere ? settledElsewhere(consumer, run) : run.finished, running])
  const versions = { librdkafka: addon.versions().librdkafka }
  if (isElsewhere)
    run.end(versions, consumer.stats().settled, {
      cpuSeconds: descendantsCpuSeconds(),
      maxRssKib: descendantsPeakKib(),
    })
  else run.end(versions)
  await consumer.close()
  await running
}

await consume(new Run(), formSchema.parse(process.argv.slice(3)))
