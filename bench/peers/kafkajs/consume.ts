/**
 * Contestant: `kafkajs`, as the page "Consuming Messages" of its documentation shows it. It commits at the end of every
 * batch that it fetched.
 *
 *   consume.js TASK FOLDER each-message|each-batch PARTITIONS
 */
import { Run } from '../../contestants/run.js'
import type { BenchMessage } from '../../contestants/work.js'
import { loadNpm, npmVersion } from '../load-npm.js'

interface Message extends BenchMessage {
  readonly offset: string
}

interface EachBatchPayload {
  readonly batch: { readonly messages: readonly Message[] }
  resolveOffset(offset: string): void
  heartbeat(): Promise<void>
}

interface RunOptions {
  readonly partitionsConsumedConcurrently: number
  readonly eachMessage?: (payload: { readonly message: Message }) => Promise<void>
  readonly eachBatch?: (payload: EachBatchPayload) => Promise<void>
}

interface Consumer {
  connect(): Promise<void>
  subscribe(options: { readonly topic: string; readonly fromBeginning: boolean }): Promise<void>
  run(options: RunOptions): Promise<void>
  disconnect(): Promise<void>
}

interface KafkaJs {
  readonly Kafka: new (options: object) => { consumer(options: object): Consumer }
  readonly logLevel: { readonly WARN: number }
}

function isKafkaJs(value: unknown): value is KafkaJs {
  return typeof value === 'object' && value !== null && 'Kafka' in value && 'logLevel' in value
}

const run = new Run()
const [, , , folder = '', mode, partitions] = process.argv
const { brokers, group, topic } = run.task
const peer = await loadNpm(folder, 'kafkajs')
if (!isKafkaJs(peer)) throw new Error('kafkajs has other exports than expected')

// Its log of what is well goes to stdout, where the result belongs.
const client = new peer.Kafka({ brokers: brokers.split(','), logLevel: peer.logLevel.WARN })
const consumer = client.consumer({ groupId: group })

/** Offsets need no resolving one by one, nor heartbeats, where a whole batch takes less than the time between two. */
async function eachBatch({ batch, resolveOffset, heartbeat }: EachBatchPayload): Promise<void> {
  for (const message of batch.messages) {
    const working = run.handle(message)
    if (working === undefined) continue
    await working
    resolveOffset(message.offset)
    await heartbeat()
  }
}

await consumer.connect()
run.subscribing()
await consumer.subscribe({ topic, fromBeginning: true })
await consumer.run({
  partitionsConsumedConcurrently: Number(partitions),
  ...(mode === 'each-batch' ? { eachBatch } : { eachMessage: async ({ message }) => run.handle(message) }),
})
await run.finished
run.end({ kafkajs: await npmVersion(folder, 'kafkajs'), node: process.versions.node })
await consumer.disconnect()
