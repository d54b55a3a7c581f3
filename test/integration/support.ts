/**
 * What the tests on a real broker share: a skip that says why, records by the thousand, a consumer that is watched by a
 * ledger, and waiting for conditions (never for time).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test, test } from 'uvu'
import { Ledger, type Order } from '../../ts/cli/ledger.js'
import type { ParallelConsumerOptions } from '../../ts/config.js'
import { ParallelConsumer } from '../../ts/consumer.js'
import { addon, type RawGroupPartition } from '../../ts/native.js'
import type { Handler } from '../../ts/ports/engine.js'
import { TestProducer } from '../../ts/testing/index.js'
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
