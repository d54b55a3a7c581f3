/**
 * One run of the stalled-head benchmark: drains a topic of two partitions with an empty handler. `stalled`: the handler
 * of the message at offset 0 of partition 0 never ends; `free`: it ends as all others do. The result is one JSON line:
 * the seconds that nine tenths of each partition took, from its first message, and the CPU of the process until then.
 */
import { ParallelConsumer } from 'laneway'
import { endAtDeadline, parseTask, type Task } from './task.js'

/** The key of the head keeps its later messages waiting, and keys are not spread quite evenly. */
const COUNTED_PART = 0.9

class Partition {
  readonly #target: number
  #startedAt = 0
  #messages = 0
  seconds: number | undefined

  constructor(target: number) {
    this.#target = target
  }

  /** True when this was the last one that counts. */
  count(): boolean {
    this.#messages += 1
    if (this.#messages === 1) this.#startedAt = performance.now()
    if (this.#messages !== this.#target) return false
    this.seconds = (performance.now() - this.#startedAt) / 1000
    return true
  }
}

async function consume(task: Task, isStalled: boolean): Promise<void> {
  const { brokers, topic, group, properties } = task
  await using consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': brokers, 'group.id': group, 'auto.offset.reset': 'earliest', ...properties },
    topics: [topic],
    order: 'key',
  })
  const target = Math.floor((task.messages / 2) * COUNTED_PART)
  const partitions = [new Partition(target), new Partition(target)]
  let finished = (): void => undefined
  const done = new Promise<void>((resolve) => {
    finished = resolve
  })
  const cpuAtStart = process.cpuUsage()
  const running = consumer.run(({ partition, offset }, context) => {
    if (offset === 0 && partition === 0 && isStalled) {
      // Only here: a signal is made for who asks for it, at the price of the rest of the delivery many times over.
      const { signal } = context
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const isLast = partitions[partition]?.count() === true
    if (isLast && partitions.every(({ seconds }) => seconds !== undefined)) finished()
    return
  })
  // Ends early, with a typed error, only where the consumer cannot go on.
  await Promise.race([done, running])
  const seconds = partitions.map((partition) => partition.seconds)
  const { user, system } = process.cpuUsage(cpuAtStart)
  const { inFlight, partitions: stats } = consumer.stats()
  const isHeadOpen = inFlight > 0 && stats.some(({ partition, committable }) => partition === 0 && committable === 0)
  if (isStalled !== isHeadOpen) throw new Error(`the head is ${isHeadOpen ? 'open' : 'settled'}`)
  process.stdout.write(`${JSON.stringify({ messages: target, seconds, cpuSeconds: (user + system) / 1e6 })}\n`)
  await consumer.close({ mode: 'abort' })
  await running
}

const [, , argument, kind] = process.argv
const task = parseTask(argument)
endAtDeadline(task)
await consume(task, kind === 'stalled')
