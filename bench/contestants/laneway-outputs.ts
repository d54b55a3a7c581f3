/**
 * Contestants of the exactly-once benchmark: each message becomes one output with its key and value. `exactly-once` sends
 * it through the handler's context, in transactions with the offsets; `produce` hands it to an idempotent producer and
 * does not wait. Both are done when everything is committed.
 */
import { type Handler, type Message, ParallelConsumer } from 'laneway'
import { TestProducer } from 'laneway/testing'
import { KeyOrder, Stopwatch } from './stopwatch.js'
import { endAtDeadline, parseTask, type Task } from './task.js'

/** How a message is sent on, and what there is to be done when all are. */
interface Sending {
  readonly handler: Handler
  finish(): Promise<void>
}

function sendingOf(kind: string | undefined, { brokers, outputTopic: topic }: Task): Sending {
  if (kind === 'exactly-once') {
    return {
      handler: ({ key, value }, context) => context.send({ topic, key, value }),
      finish: async () => undefined,
    }
  }
  if (kind !== 'produce') throw new Error(`outputs are sent with exactly-once or produce, not ${kind}`)
  const producer = new TestProducer({ 'bootstrap.servers': brokers, 'enable.idempotence': 'true' })
  return {
    // Resolves when the record is queued.
    handler: ({ key, value }) => producer.send({ topic, key, value }),
    finish: async () => {
      await producer.flush()
      await producer.close()
    },
  }
}

async function consume(task: Task, kind: string | undefined): Promise<void> {
  const { brokers, topic, group, properties } = task
  const { handler, finish } = sendingOf(kind, task)
  await using consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': brokers, 'group.id': group, 'auto.offset.reset': 'earliest', ...properties },
    topics: [topic],
    order: 'key',
    ...(kind === 'exactly-once' ? { transactional: { id: group } } : {}),
  })
  const order = new KeyOrder()
  let messages = 0
  let finished = (): void => undefined
  const done = new Promise<void>((resolve) => {
    finished = resolve
  })
  const stopwatch = new Stopwatch()
  const count = ({ partition, key, offset }: Message): void => {
    messages += 1
    if (task.verify) order.saw(`${partition} ${key}`, offset)
    if (messages === 1) stopwatch.firstMessage()
    if (messages === task.messages) finished()
  }
  const running = consumer.run((message, context) => {
    count(message)
    return handler(message, context)
  })
  // Ends early, with a typed error, only where the consumer cannot go on.
  await Promise.race([done, running])
  await finish()
  await consumer.close()
  await running
  process.stdout.write(`${JSON.stringify(stopwatch.finish(messages, order.inversions))}\n`)
}

const [, , argument, kind] = process.argv
const task = parseTask(argument)
endAtDeadline(task)
await consume(task, kind)
