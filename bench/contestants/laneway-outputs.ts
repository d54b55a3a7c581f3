/**
 * laneway where each message becomes one output with its key and value. `exactly-once` sends it through the handler's
 * context, in transactions with the offsets; `produce` hands it to the same native producer without transactions,
 * idempotent, and waits only where its queue is full; `produce-lingering` waits longer for larger batches, as a
 * transaction does. All are done when everything is committed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Handler, type Message, ParallelConsumer } from 'laneway'
import { z } from 'zod'
import { addon } from '../../ts/native.js'
import { WAYS, type Way } from './laneway-outputs-contestants.js'
import { Run } from './run.js'
import type { Task } from './task.js'

const FULL_WAIT_MS = 1
/** librdkafka's default is 5. */
const LINGER_MS = { produce: '5', 'produce-lingering': '100' } as const

/** How a message is sent on, and what there is to be done when all are. */
interface Sending {
  readonly handler: Handler
  finish(): Promise<void>
}

function sendingOf(way: Way, { brokers, outputTopic: topic, deadlineMs }: Task): Sending {
  if (topic === undefined) throw new Error('the task has no outputTopic')
  if (way === 'exactly-once') {
    return {
      handler: ({ key, value }, context) => context.send({ topic, key, value }),
      finish: async () => undefined,
    }
  }
  const settings = { 'bootstrap.servers': brokers, 'enable.idempotence': 'true', 'linger.ms': LINGER_MS[way] }
  const producer = new addon.Producer(settings)
  const send = ({ key, value }: Message): boolean => producer.produce(topic, -1, key, value, 0, null)
  const sendLater = async (message: Message): Promise<void> => {
    do await sleep(FULL_WAIT_MS)
    while (!send(message))
  }
  return {
    handler: (message) => (send(message) ? undefined : sendLater(message)),
    finish: async () => {
      await producer.flush(deadlineMs)
      await producer.close()
    },
  }
}

async function consume(run: Run, way: Way): Promise<void> {
  const { brokers, topic, group, properties, concurrency } = run.task
  const { handler, finish } = sendingOf(way, run.task)
  await using consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': brokers, 'group.id': group, 'auto.offset.reset': 'earliest', ...properties },
    topics: [topic],
    order: 'key',
    concurrency,
    ...(way === 'exactly-once' ? { transactional: { id: group } } : {}),
  })
  run.subscribing()
  const running = consumer.run((message, context) => {
    void run.handle(message)
    return handler(message, context)
  })
  // Ends early, with a typed error, only where the consumer cannot go on.
  await Promise.race([run.finished, running])
  // First: a handler may still wait for room in the producer's queue.
  await consumer.close()
  await running
  await finish()
  run.end({ librdkafka: addon.versions().librdkafka })
}

await consume(new Run(), z.enum(WAYS).parse(process.argv[3]))
