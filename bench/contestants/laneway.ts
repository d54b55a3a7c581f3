/**
 * Contestants (b) and (c): laneway by its public API, at its defaults, with an empty sync or async handler. Counting is
 * the handler's only work. In the verifying run it also checks the order of every key.
 */
import { type Handler, type Message, ParallelConsumer } from 'laneway'
import { KeyOrder, Stopwatch } from './earlier-stopwatch.js'
import { endAtDeadline, parseTask, type Task } from './earlier-task.js'

async function consume(task: Task, kind: string | undefined): Promise<void> {
  const { brokers, topic, group, properties } = task
  await using consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': brokers, 'group.id': group, 'auto.offset.reset': 'earliest', ...properties },
    topics: [topic],
    order: 'key',
  })
  const order = new KeyOrder()
  let messages = 0
  let finished = (): void => undefined
  const done = new Promise<void>((resolve) => {
    finished = resolve
  })
  const stopwatch = new Stopwatch()
  const count = (): void => {
    messages += 1
    if (messages === 1) stopwatch.firstMessage()
    if (messages === task.messages) finished()
  }
  const verify = ({ partition, key, offset }: Message): void => {
    order.saw(`${partition} ${key}`, offset)
    count()
  }
  const running = consumer.run(handlerOf(kind, task.verify ? verify : count))
  // Ends early, with a typed error, only where the consumer cannot go on.
  await Promise.race([done, running])
  process.stdout.write(`${JSON.stringify(stopwatch.finish(messages, order.inversions))}\n`)
  await consumer.close()
  await running
}

function handlerOf(kind: string | undefined, work: (message: Message) => void): Handler {
  if (kind === 'sync') return work
  if (kind === 'async') return async (message) => work(message)
  throw new Error(`the handler is sync or async, not ${kind}`)
}

const [, , argument, kind] = process.argv
const task = parseTask(argument)
endAtDeadline(task)
await consume(task, kind)
