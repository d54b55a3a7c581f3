/** The suite `view-access`: what reading a message costs, decoded when it is read or before. */
import { BatchMessage, MessageBatch } from '../../ts/message-batch.js'
import type { Message } from '../../ts/ports/engine.js'
import { FilledConsumer } from './filled-consumer.js'
import { plainMessages } from './messages.js'
import { decodeAll } from './plain/eager-messages.js'
import type { Case, OpenSuite, Suite } from './suite.js'

const MESSAGES = 2_000
const PARTITIONS = 2
const SHAPE = { messages: MESSAGES, keys: 100, partitions: PARTITIONS, valueBytes: 100, headers: 3 }
const ANY_BYTES = 2 ** 28

/** What a handler reads of a message; the sum keeps it from being optimised away. */
const READS: Readonly<Record<string, (message: Message) => number>> = {
  nothing: () => 1,
  'the offset': ({ offset }) => offset,
  'the key': ({ key }) => key?.[0] ?? 0,
  'key and value': ({ key, value }) => (key?.[0] ?? 0) + (value?.[0] ?? 0),
  'the headers': ({ headers }) => headers.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0),
}

function readViews(buffer: ArrayBuffer, consumer: FilledConsumer, read: (message: Message) => number): number {
  const batch = new MessageBatch(buffer)
  let sum = 0
  for (let run = 0; run < batch.runs; run += 1) {
    const place = consumer.partition(batch.runPartitions[run] ?? 0)
    const end = batch.runStarts[run + 1] ?? 0
    for (let index = batch.runStarts[run] ?? 0; index < end; index += 1) {
      sum += read(new BatchMessage(batch, index, place))
    }
  }
  return sum
}

function readDecoded(buffer: ArrayBuffer, consumer: FilledConsumer, read: (message: Message) => number): number {
  let sum = 0
  for (const message of decodeAll(buffer, (id) => consumer.partition(id))) sum += read(message)
  return sum
}

async function open(): Promise<OpenSuite> {
  const consumer = new FilledConsumer({ messages: plainMessages(SHAPE), partitions: PARTITIONS, order: 'key' })
  await consumer.fill()
  const buffer = consumer.raw.attach(() => undefined).take(0, MESSAGES, ANY_BYTES)
  if (buffer === null) throw new Error('there was nothing to take')
  const cases = Object.entries(READS).map(([what, read]): Case => {
    const views = (): number => readViews(buffer, consumer, read)
    const decoded = (): number => readDecoded(buffer, consumer, read)
    return {
      title: `a handler that reads ${what}`,
      operation: 'message',
      operations: new MessageBatch(buffer).count,
      contenders: [
        { label: 'laneway: a view', role: 'laneway', run: views, check: views },
        { label: 'an object, everything decoded', role: 'plain', run: decoded, check: decoded },
      ],
    }
  })
  return { cases, [Symbol.asyncDispose]: () => consumer[Symbol.asyncDispose]() }
}

export const viewAccess: Suite = {
  id: 'view-access',
  title: 'View access',
  description:
    'A message is a view over its batch, which decodes what is read when it is read; the other way decodes everything ' +
    `first. ${SHAPE.valueBytes} B, ${SHAPE.headers} headers. Both read the same batch of native code.`,
  open,
}
