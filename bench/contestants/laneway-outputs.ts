/**
 * Contestants of the exactly-once benchmark: each message becomes one output with its key and value. `exactly-once` sends
 * it through the handler's context, in transactions with the offsets; `produce` hands it to the same native producer
 * without transactions, idempotent, and waits only where its queue is full; `produce-lingering` waits longer for larger
 * batches, as a transaction does. All are done when everything is committed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Handler, type Message, ParallelConsumer } from 'laneway'
import { addon } from '../../ts/native.js'
import { KeyOrder, Stopwatch } from './earlier-stopwatch.js'
import { endAtDeadline, parseTask, type Task } from './earlier-task.js'

const FULL_WAIT_MS = 1
/** librdkafka's default is 5. */
const LINGER_MS: Readonly<Record<string, string>> = { produce: '5', 'produce-lingering': '100' }

/** How a message is sent on, and what there is to be done when all are. */
interface Sending {
  readonly handler: Handler
  finish(): Promise<void>
}

function sendingOf(kind: string | undefined, task: Task): Sending {
  const { brokers, outputTopic: topic } = task
  if (topic === undefined) throw new Error('the task has no outputTopic')
  if (kind === 'exactly-once') {
    return {
      handler: ({ key, value }, context) => context.send({ topic, key, value }),
      finish: async () => undefined,
    }
  }
  const lingerMs = LINGER_MS[kind ?? '']
  if (lingerMs === undefined) throw new Error(`no way to send outputs: ${kind}`)
  const settings = { 'bootstrap.servers': brokers, 'enable.idempotence': 'true', 'linger.ms': lingerMs }
  const producer = new addon.Producer(settings)
  const send = ({ key, value }: Message): boolean => producer.produce(topic, -1, key, value, 0, null)
  const sendLater = async (message: Message): Promise<void> => {
    do await sleep(FULL_WAIT_MS)
    while (!send(message))
  }
  return {
    handler: (message) => (send(message) ? undefined : sendLater(message)),
    finish: async () => {
      await producer.flush(task.deadlineMs)
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
