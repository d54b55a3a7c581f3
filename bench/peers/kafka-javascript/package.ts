/** What contestants use of `@confluentinc/kafka-javascript`. */
import type { Task } from '../../contestants/task.js'
import type { BenchMessage } from '../../contestants/work.js'
import { loadNpm, npmVersion } from '../load-npm.js'

const NAME = '@confluentinc/kafka-javascript'
/** As syslog numbers it. */
const LOG_WARNINGS = 4

export interface PromisifiedMessage extends BenchMessage {
  readonly offset: string
}

export interface EachBatchPayload {
  readonly batch: { readonly messages: readonly PromisifiedMessage[]; lastOffset(): string }
  resolveOffset(offset: string): void
}

export interface RunOptions {
  readonly partitionsConsumedConcurrently?: number
  readonly eachBatchAutoResolve?: boolean
  readonly eachMessage?: (payload: { readonly message: PromisifiedMessage }) => Promise<void>
  readonly eachBatch?: (payload: EachBatchPayload) => Promise<void>
}

export interface PromisifiedConsumer {
  connect(): Promise<void>
  subscribe(options: { readonly topic: string }): Promise<void>
  run(options: RunOptions): Promise<void>
  disconnect(): Promise<void>
}

export interface ClassicConsumer {
  connect(options: object, connected: (error: Error | null) => void): void
  subscribe(topics: readonly string[]): void
  setDefaultIsTimeoutOnlyForFirstMessage(value: boolean): void
  consume(): void
  consume(messages: number, batch: (error: Error | null, messages: readonly BenchMessage[]) => void): void
  on(event: 'data', listener: (message: BenchMessage) => void): void
  on(event: 'event.error', listener: (error: Error) => void): void
  disconnect(disconnected: (error: Error | null) => void): void
}

export interface KafkaJavascript {
  readonly librdkafkaVersion: string
  readonly KafkaJS: {
    readonly Kafka: new (properties: object) => { consumer(properties: object): PromisifiedConsumer }
  }
  readonly KafkaConsumer: new (properties: object, topicProperties: object) => ClassicConsumer
}

function isKafkaJavascript(value: unknown): value is KafkaJavascript {
  return typeof value === 'object' && value !== null && 'KafkaJS' in value && 'KafkaConsumer' in value
}

export async function loadKafkaJavascript(folder: string): Promise<KafkaJavascript> {
  const peer = await loadNpm(folder, NAME)
  if (!isKafkaJavascript(peer)) throw new Error(`${NAME} has other exports than expected`)
  return peer
}

export function promisifiedConsumer(peer: KafkaJavascript, task: Task): PromisifiedConsumer {
  // Its log of what is well goes to stdout, where the result belongs.
  const kafka = new peer.KafkaJS.Kafka({ 'bootstrap.servers': task.brokers, log_level: LOG_WARNINGS })
  return kafka.consumer({ 'group.id': task.group, 'auto.offset.reset': 'earliest', ...task.properties })
}

export async function versionsOf(peer: KafkaJavascript, folder: string): Promise<Record<string, string>> {
  return { [NAME]: await npmVersion(folder, NAME), librdkafka: peer.librdkafkaVersion, node: process.versions.node }
}
