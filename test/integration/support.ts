/**
 * What the tests on a real broker share: a skip that says why, records by the thousand, a consumer that is watched by a
 * ledger, and waiting for conditions (never for time).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test, test } from 'uvu'
import { Ledger, type Order } from '../../ts/cli/ledger.js'
import type { ParallelConsumerOptions } from '../../ts/config.js'
import { ParallelConsumer } from '../../ts/consumer.js'
import { LanewayError } from '../../ts/errors.js'
import { addon, type RawGroupPartition } from '../../ts/native.js'
import type { Handler, Message } from '../../ts/ports/engine.js'
import type { LogFields, Logger } from '../../ts/ports/logger.js'
import { TestProducer, type TestRecord } from '../../ts/testing/index.js'
import { type Broker, type BrokerOptions, brokerAvailability, startBroker } from '../broker/broker.js'

const availability = await brokerAvailability()
if (!availability.available) process.stderr.write(`SKIPPED, no broker: ${availability.reason}\n`)

/** `test`, or `test.skip` where no broker can be started. */
export const brokerTest: Test | Test['skip'] = availability.available ? test : test.skip

/** One broker for a whole file, started by the first test that asks. */
export function sharedBroker(options: BrokerOptions = {}): () => Promise<Broker> {
  let broker: Promise<Broker> | undefined
  test.after(async () => {
    await (await broker)?.stop()
  })
  return () => {
    broker ??= startBroker(options)
    return broker
  }
}

const DEADLINE_MS = 60_000

/** Waits for a condition; fails with what was waited for. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, deadlineMs = DEADLINE_MS) {
  const giveUpAt = performance.now() + deadlineMs
  while (!(await isTrue())) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${deadlineMs} ms in vain for: ${what}`)
    await sleep(10)
  }
}

export interface Filling {
  readonly topic: string
  readonly messages: number
  readonly keys: number
  readonly partitions: number
}

/** Record i has key i % keys, and goes to partition key % partitions. */
export async function fill(broker: Broker, { topic, messages, keys, partitions }: Filling): Promise<void> {
  await using producer = new TestProducer({
    'bootstrap.servers': broker.bootstrapServers,
    'linger.ms': '5',
    // Offsets in the order of sending, also where a first batch is sent again.
    'enable.idempotence': 'true',
  })
  for (let i = 0; i < messages; i += 1) {
    const key = i % keys
    await producer.send({ topic, partition: key % partitions, key: `key-${key}`, value: `${i}` })
  }
  await producer.flush()
}

/** A consumer whose handler is recorded, and that runs until it is closed. */
export class Watched implements AsyncDisposable {
  readonly consumer: ParallelConsumer
  readonly running: Promise<void>

  constructor(options: ParallelConsumerOptions, ledger: Ledger, handler: Handler = () => undefined) {
    this.consumer = new ParallelConsumer(options)
    this.running = this.consumer.run(async (message, context) => {
      ledger.start(message, context.attempt)
      try {
        await handler(message, context)
      } catch (error) {
        ledger.fail(message)
        throw error
      }
      ledger.end(message)
    })
    // Looked at by whoever closes; until then it must not count as unhandled.
    this.running.catch(() => undefined)
  }

  async close(mode: 'drain' | 'abort' = 'drain'): Promise<void> {
    await this.consumer.close({ mode })
    await this.running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.consumer.close({ mode: 'abort' })
  }
}

export function newLedger(order: Order = 'key'): Ledger {
  return new Ledger(order)
}

export function group(broker: Broker, id: string): Promise<RawGroupPartition[]> {
  return addon.readGroup({ 'bootstrap.servers': broker.bootstrapServers }, id, 10_000)
}

/** A group named after its topic, that commits often. */
export function optionsOf(
  broker: Broker,
  topic: string,
  { kafka, ...extra }: Partial<ParallelConsumerOptions> = {},
): ParallelConsumerOptions {
  return {
    kafka: { 'bootstrap.servers': broker.bootstrapServers, 'group.id': topic, 'heartbeat.interval.ms': 300, ...kafka },
    topics: [topic],
    commitInterval: 50,
    ...extra,
  }
}

/** Sends records to partition 0, in this order; `key` and `value` as text, or as they are. */
export async function send(
  broker: Broker,
  topic: string,
  records: readonly Omit<TestRecord, 'topic'>[],
): Promise<void> {
  await using producer = new TestProducer({
    'bootstrap.servers': broker.bootstrapServers,
    'enable.idempotence': 'true',
    'message.max.bytes': '10000000',
  })
  for (const record of records) await producer.send({ topic, partition: 0, ...record })
  await producer.flush()
}

export async function committedOffset(broker: Broker, id: string, partition = 0): Promise<number> {
  const found = (await group(broker, id)).find((each) => each.partition === partition)
  return found?.offset ?? -1
}

/**
 * All that a topic has, by partition and offset, read as any client would: without the group of the test. Its log must
 * have no holes.
 */
export async function readTopic(broker: Broker, topic: string): Promise<readonly Message[]> {
  readings += 1
  const logs = await addon.readLogs({ 'bootstrap.servers': broker.bootstrapServers }, [topic], null, 10_000)
  const count = logs.reduce((sum, { start, end }) => sum + end - start, 0)
  const messages: Message[] = []
  const options = optionsOf(broker, topic, { order: 'partition', kafka: { 'group.id': `reading-${readings}` } })
  const consumer: ParallelConsumer = new ParallelConsumer(options)
  const running = consumer.run((message) => {
    messages.push(message)
  })
  running.catch(() => undefined)
  await until(`${count} messages in ${topic}`, () => messages.length >= count)
  await consumer.close()
  await running
  return messages.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}
let readings = 0

/** What a promise rejects with; fails where that is no LanewayError. */
export async function errorOf(running: Promise<unknown>): Promise<LanewayError> {
  const error: unknown = await running.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  )
  if (LanewayError.is(error)) return error
  throw error
}

/** Keeps what is logged. */
export class LogBook implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = []
  readonly debug = () => undefined
  readonly info = this.#keeper('info')
  readonly warn = this.#keeper('warn')
  readonly error = this.#keeper('error')

  /** The fields of the lines of this level with this in their text. */
  with(level: 'warn' | 'error', text: string): readonly LogFields[] {
    return this.lines.filter((line) => line.level === level && line.message.includes(text)).map(({ fields }) => fields)
  }

  #keeper(level: string): (message: string, fields?: LogFields) => void {
    return (message, fields = {}) => this.lines.push({ level, message, fields })
  }
}

/** Handlers wait at it until it is opened. */
export class Gate {
  readonly #opened: Promise<void>
  open: () => void = () => undefined

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.open = resolve
    })
  }

  passed(): Promise<void> {
    return this.#opened
  }
}
