/**
 * Contestant: the callback API of `@confluentinc/kafka-javascript`, that of node-rdkafka, in the two ways that the
 * documentation of KafkaConsumer.consume names: a number of messages per call, and as fast as possible ("flowing").
 *
 * librdkafka commits every five seconds what was delivered, handled or not: after a kill, messages that were delivered
 * and not handled are lost. In the flowing mode nothing holds messages back: handlers that wait are all started at
 * once, in memory that grows with the backlog, and those of one key overlap.
 *
 *   classic.js TASK FOLDER consume|flowing
 */
import { promisify } from 'node:util'
import { Run } from '../../contestants/run.js'
import type { BenchMessage } from '../../contestants/work.js'
import { loadKafkaJavascript, versionsOf } from './package.js'

const MESSAGES_PER_CALL = 1000

const run = new Run()
const [, , , folder = '', mode] = process.argv
const { brokers, group, topic, properties } = run.task
const peer = await loadKafkaJavascript(folder)
const consumer = new peer.KafkaConsumer(
  { 'bootstrap.servers': brokers, 'group.id': group, ...properties },
  { 'auto.offset.reset': 'earliest' },
)
consumer.on('event.error', (error) => process.stderr.write(`${error.message}\n`))
let running = true

const consume = (messages: number): Promise<readonly BenchMessage[]> =>
  new Promise((resolve, reject) => {
    consumer.consume(messages, (error, batch) => (error === null ? resolve(batch) : reject(error)))
  })

async function consumeInCalls(): Promise<void> {
  // Else a call that finds fewer messages than it asks for waits for more, for a second.
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  while (running) {
    for (const message of await consume(MESSAGES_PER_CALL)) {
      const working = run.handle(message)
      if (working !== undefined) await working
    }
  }
}

function consumeFlowing(): void {
  consumer.on('data', (message) => void run.handle(message))
  consumer.consume()
}

await promisify(consumer.connect.bind(consumer))({})
run.subscribing()
consumer.subscribe([topic])
const calls = mode === 'flowing' ? consumeFlowing() : consumeInCalls()
await run.finished
run.end(await versionsOf(peer, folder))
running = false
await calls
await promisify(consumer.disconnect.bind(consumer))()
