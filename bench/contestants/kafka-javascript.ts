/**
 * Contestant (d): `@confluentinc/kafka-javascript`, `eachMessage` of its KafkaJS-compatible API with an empty async
 * handler. Its folder comes as the second argument, because the peer is no dependency of laneway.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { KeyOrder, Stopwatch } from './earlier-stopwatch.js'
import { endAtDeadline, parseTask, type Task } from './earlier-task.js'

interface EachMessagePayload {
  readonly partition: number
  readonly message: { readonly key: Buffer | null; readonly offset: string }
}

interface PeerConsumer {
  connect(): Promise<void>
  subscribe(options: { topic: string }): Promise<void>
  run(options: { eachMessage: (payload: EachMessagePayload) => Promise<void> }): Promise<void>
  disconnect(): Promise<void>
}

interface Peer {
  readonly librdkafkaVersion: string
  readonly KafkaJS: {
    readonly Kafka: new (config: object) => { consumer(config: object): PeerConsumer }
  }
}

function isPeer(value: unknown): value is Peer {
  return typeof value === 'object' && value !== null && 'KafkaJS' in value && 'librdkafkaVersion' in value
}

function loadPeer(folder: string): Peer {
  const peer: unknown = createRequire(join(folder, 'package.json'))('@confluentinc/kafka-javascript')
  if (!isPeer(peer)) throw new Error('@confluentinc/kafka-javascript has no KafkaJS-compatible API')
  return peer
}

async function consume(peer: Peer, task: Task): Promise<void> {
  const kafka = new peer.KafkaJS.Kafka({ 'bootstrap.servers': task.brokers })
  const consumer = kafka.consumer({ 'group.id': task.group, 'auto.offset.reset': 'earliest', ...task.properties })
  await consumer.connect()
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
  await consumer.subscribe({ topic: task.topic })
  await consumer.run({
    eachMessage: task.verify
      ? async ({ partition, message }) => {
          order.saw(`${partition} ${message.key}`, Number(message.offset))
          count()
        }
      : async () => count(),
  })
  await done
  const result = { ...stopwatch.finish(messages, order.inversions), librdkafka: peer.librdkafkaVersion }
  process.stdout.write(`${JSON.stringify(result)}\n`)
  await consumer.disconnect()
}

const [, , argument, folder] = process.argv
const task = parseTask(argument)
endAtDeadline(task)
await consume(loadPeer(folder ?? ''), task)
