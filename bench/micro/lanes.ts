/** The suite `lanes`: from messages that wait to handlers that have ended, in the order of each key. */
import { MessageExecutor } from '../../ts/engines/executor/messages.js'
import type { Message } from '../../ts/ports/engine.js'
import { FilledConsumer } from './filled-consumer.js'
import { type PlainMessage, plainMessages } from './messages.js'
import { type Committable, inBatches, type PlainHandler, withWatermarks } from './plain/promise-chains.js'
import type { Case, OpenSuite, Suite } from './suite.js'

const PARTITIONS = 4
const MESSAGES = 20_000
const KEYS = 1_000
const BATCH = 2_000
const DRAIN_MS = 10_000

type AnyHandler = (message: Message | PlainMessage) => unknown

const HANDLERS: Readonly<Record<string, (count: () => void) => AnyHandler>> = {
  'a synchronous handler': (count) => () => count(),
  'an asynchronous handler': (count) => async () => count(),
}

/** Messages by key, as the handler saw them. */
class Seen {
  readonly #byKey = new Map<string, string[]>()

  readonly note = ({ key, value }: Message | PlainMessage): void => {
    const seen = this.#byKey.get(`${key}`)
    const number = `${value}`.split(';', 1)[0] ?? ''
    if (seen === undefined) this.#byKey.set(`${key}`, [number])
    else seen.push(number)
  }

  byKey(): [string, string[]][] {
    return [...this.#byKey].toSorted(([a], [b]) => (a < b ? -1 : 1))
  }
}

/** The product's executor, on what waits in the consumer's lanes; all of it is settled natively in the end. */
async function drain(consumer: FilledConsumer, handlerOf: (count: () => void) => AnyHandler): Promise<void> {
  let left = MESSAGES
  let finish = (): void => undefined
  let fail: (error: unknown) => void = () => undefined
  const finished = new Promise<void>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  const executor = new MessageExecutor({
    handler: handlerOf(() => {
      left -= 1
      if (left === 0) finish()
    }),
    handlerTimeoutMs: 0,
    isTransactional: false,
    attach: (onReady) => consumer.raw.attach(onReady),
    partition: (id) => consumer.partition(id),
    decide: ({ error }) => {
      fail(error)
      return { kind: 'stop' }
    },
    fail,
  })
  try {
    await finished
    await executor.stop('drain', DRAIN_MS)
  } finally {
    await executor.stop('abort', 0)
  }
}

function caseOf(
  handler: string,
  handlerOf: (count: () => void) => AnyHandler,
  consumer: FilledConsumer,
  messages: readonly PlainMessage[],
): Case {
  const plain = (
    label: string,
    consume: (handler: PlainHandler) => Promise<Committable>,
  ): Case['contenders'][number] => ({
    label,
    role: 'plain',
    isAsync: true,
    run: async () => {
      let ended = 0
      await consume(
        handlerOf(() => {
          ended += 1
        }),
      )
      if (ended !== MESSAGES) throw new Error(`${ended} messages instead of ${MESSAGES}`)
    },
    check: async () => {
      const seen = new Seen()
      await consume(seen.note)
      return seen.byKey()
    },
  })
  return {
    title: `${MESSAGES.toLocaleString('en')} messages of ${KEYS.toLocaleString('en')} keys through ${handler}`,
    operation: 'message',
    operations: MESSAGES,
    contenders: [
      {
        label: 'laneway',
        role: 'laneway',
        isAsync: true,
        prepare: () => consumer.fill(),
        run: () => drain(consumer, handlerOf),
        check: async () => {
          const seen = new Seen()
          await drain(consumer, (count) => (message) => {
            seen.note(message)
            count()
          })
          return seen.byKey()
        },
      },
      plain('a promise chain per key, a barrier per batch', (work) => inBatches(messages, BATCH, work)),
      plain('a promise chain per key, a low watermark', (work) => withWatermarks(messages, work)),
    ],
  }
}

async function open(): Promise<OpenSuite> {
  const shape = { messages: MESSAGES, keys: KEYS, partitions: PARTITIONS, valueBytes: 100, headers: 0 }
  const messages = plainMessages(shape)
  const consumer = new FilledConsumer({ messages, partitions: PARTITIONS, order: 'key' })
  return {
    cases: Object.entries(HANDLERS).map(([name, handlerOf]) => caseOf(name, handlerOf, consumer, messages)),
    [Symbol.asyncDispose]: () => consumer[Symbol.asyncDispose](),
  }
}

export const lanes: Suite = {
  id: 'lanes',
  title: 'Lanes',
  description:
    'Keyed messages are handed to empty handlers, those of one key one after the other, until all are settled. laneway ' +
    'takes them from native memory, where hashing and copying them in has happened on another thread already; the plain ' +
    'ones find objects with everything decoded, which a client has made before and nobody counts.',
  open,
}
