/**
 * Contestant: the stream of `@platformatic/kafka`, in the three ways of its README ("Consumer"): an asynchronous
 * iteration (one message after the other), `data` events, and hwp's forEach with a number of handlers at once.
 *
 * With `autocommit: true`, as in the README and by default, it commits every fetch when the messages are in the stream's
 * buffer: after a kill, those that were not handled are lost. Events and forEach keep no order of keys where handlers
 * wait, and events start all handlers at once. A whole fetch, up to 50 MB by default, is turned into messages at once,
 * whatever the highWaterMark of the stream.
 *
 *   consume.js TASK FOLDER for-await|events|for-each
 */
import { Run } from '../../contestants/run.js'
import type { BenchMessage } from '../../contestants/work.js'
import { loadNpm, npmVersion } from '../load-npm.js'

const NAME = '@platformatic/kafka'

interface Stream extends AsyncIterable<BenchMessage> {
  on(event: 'data', listener: (message: BenchMessage) => void): void
  on(event: 'error', listener: (error: Error) => void): void
  close(): Promise<void>
}

interface Consumer {
  consume(options: object): Promise<Stream>
  close(): Promise<void>
}

interface PlatformaticKafka {
  readonly Consumer: new (options: object) => Consumer
}

interface Hwp {
  forEach(
    messages: AsyncIterable<BenchMessage>,
    handler: (message: BenchMessage) => Promise<void>,
    concurrency: number,
  ): Promise<void>
}

function isPlatformaticKafka(value: unknown): value is PlatformaticKafka {
  return typeof value === 'object' && value !== null && 'Consumer' in value
}

function isHwp(value: unknown): value is Hwp {
  return typeof value === 'object' && value !== null && 'forEach' in value
}

const run = new Run()
const [, , , folder = '', mode = ''] = process.argv
const { brokers, group, topic, concurrency } = run.task
const peer = await loadNpm(folder, NAME)
const hwp = await loadNpm(folder, 'hwp')
if (!isPlatformaticKafka(peer) || !isHwp(hwp)) throw new Error(`${NAME} or hwp has other exports than expected`)

/** Each goes on until the stream ends. */
const MODES: Readonly<Record<string, (stream: Stream) => Promise<void>>> = {
  'for-await': async (stream) => {
    for await (const message of stream) {
      const working = run.handle(message)
      if (working !== undefined) await working
    }
  },
  events: (stream) =>
    new Promise((_, reject) => {
      stream.on('error', reject)
      stream.on('data', (message) => void run.handle(message))
    }),
  'for-each': (stream) => hwp.forEach(stream, async (message) => run.handle(message), concurrency),
}
const consumeAll = MODES[mode]
if (consumeAll === undefined) throw new Error(`modes are ${Object.keys(MODES).join(', ')}, not "${mode}"`)

const consumer = new peer.Consumer({
  clientId: group,
  groupId: group,
  bootstrapBrokers: brokers.split(','),
})
run.subscribing()
const stream = await consumer.consume({
  topics: [topic],
  autocommit: true,
  // Else it would start at the end of the topic.
  mode: 'committed',
  fallbackMode: 'earliest',
})
await Promise.race([run.finished, consumeAll(stream)])
run.end({ [NAME]: await npmVersion(folder, NAME), node: process.versions.node })
await stream.close()
await consumer.close()
