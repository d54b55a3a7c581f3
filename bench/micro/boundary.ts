/** The suite `boundary`: a batch of messages comes to the thread that handles it, and what is settled goes back. */
import { Settler } from '../../ts/engines/settler.js'
import type { MessageBatch } from '../../ts/message-batch.js'
import { Outcome } from '../../ts/native.js'
import { FilledConsumer } from './filled-consumer.js'
import { type PlainMessage, plainMessages } from './messages.js'
import type { Case, Contender, OpenSuite, Suite } from './suite.js'

const BATCH = 2_000
const PARTITIONS = 1
const ANY_BYTES = 2 ** 28
const VALUE_BYTES = [100, 1_000]

/** What came over: how many messages, and the bytes of their keys and values. */
interface Crossing {
  readonly messages: number
  readonly bytes: number
}

/** Settles every message as released: it goes back to its lane and is there to be taken again. */
function takeAndRelease(settler: Settler): MessageBatch {
  const batch = settler.take(BATCH, ANY_BYTES)
  if (batch === undefined) throw new Error('there was nothing to take')
  for (let index = 0; index < batch.count; index += 1) settler.settle(batch, index, Outcome.Released)
  settler.flush()
  return batch
}

function laneway(settler: Settler): Contender {
  return {
    label: 'laneway: take and settle',
    role: 'laneway',
    run: () => takeAndRelease(settler),
    check: (): Crossing => {
      const batch = takeAndRelease(settler)
      let bytes = 0
      for (let index = 0; index < batch.count; index += 1) bytes += batch.bytesOf(index)
      return { messages: batch.count, bytes }
    },
  }
}

function plain(
  label: string,
  cross: () => { messages: readonly PlainMessage[]; settled: readonly number[] },
): Contender {
  return {
    label,
    role: 'plain',
    run: cross,
    check: (): Crossing => {
      const { messages, settled } = cross()
      const bytes = messages.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
      return { messages: settled.length, bytes }
    },
  }
}

const copyOf = ({ key, value, headers, ...rest }: PlainMessage): PlainMessage => ({
  ...rest,
  key: Buffer.from(key),
  value: Buffer.from(value),
  headers: [...headers],
})

const offsetsOf = (messages: readonly PlainMessage[]): number[] => messages.map(({ offset }) => offset)

async function openCase(valueBytes: number): Promise<{ readonly consumer: FilledConsumer; readonly made: Case }> {
  const messages = plainMessages({ messages: BATCH, keys: 1_000, partitions: PARTITIONS, valueBytes, headers: 0 })
  const consumer = new FilledConsumer({ messages, partitions: PARTITIONS, order: 'none' })
  await consumer.fill()
  const host = {
    handler: () => undefined,
    handlerTimeoutMs: 0,
    isTransactional: false,
    attach: (onReady: () => void) => consumer.raw.attach(onReady),
    partition: (id: number) => consumer.partition(id),
    decide: () => ({ kind: 'stop' }) as const,
    fail: (error: unknown) => {
      throw error
    },
  }
  const settler = new Settler(
    host,
    host.attach(() => undefined),
  )
  const made: Case = {
    title: `a batch of ${BATCH.toLocaleString('en')} messages of ${valueBytes.toLocaleString('en')} B`,
    operation: 'message',
    operations: BATCH,
    contenders: [
      laneway(settler),
      plain('structuredClone, as between worker threads', () => {
        const taken = structuredClone(messages)
        return { messages: taken, settled: structuredClone(offsetsOf(taken)) }
      }),
      plain('a loop that copies each message into an object of its own', () => {
        const taken = messages.map(copyOf)
        return { messages: taken, settled: Array.from(offsetsOf(taken)) }
      }),
    ],
  }
  return { consumer, made }
}

async function open(): Promise<OpenSuite> {
  const opened = await Promise.all(VALUE_BYTES.map(openCase))
  return {
    cases: opened.map(({ made }) => made),
    [Symbol.asyncDispose]: async () => {
      for (const { consumer } of opened) await consumer[Symbol.asyncDispose]()
    },
  }
}

export const boundary: Suite = {
  id: 'boundary',
  title: 'Boundary',
  description:
    'Messages are leased, copied out of native memory into one buffer, and settled in one call. The plain ones copy a ' +
    'batch of objects and the settled offsets: as worker threads do when they post messages, or in a loop on one thread.',
  open,
}
