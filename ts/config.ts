/**
 * The options of a consumer: what they are, what they default to, and what is refused.
 *
 * One schema is the source of the types, of the checks and of the README's table (config-table.ts). Everything is
 * checked at construction, and every wrong field is named at once.
 */
import { z } from 'zod'
import { type Decoders, decoderOption } from './decoding.js'
import { inline } from './engines/inline.js'
import type { Engine, Message } from './ports/engine.js'
import type { Logger } from './ports/logger.js'
import { exponentialBackoff, type RetryDelay } from './retry.js'
import { stderrLogger } from './stderr-logger.js'
import { validate } from './validation.js'

/** librdkafka properties that laneway sets itself, and why. */
const OWNED_PROPERTIES: Readonly<Record<string, string>> = {
  'enable.auto.commit': 'laneway commits, and only what is settled',
  'enable.auto.offset.store': 'laneway commits, and only what is settled',
  'auto.commit.interval.ms': 'use commitInterval',
  'enable.partition.eof': 'laneway needs the ends of partitions to find holes',
}
const DEFAULT_MAX_POLL_INTERVAL_MS = 300_000
/** A day. */
const MAX_TIMEOUT_MS = 86_400_000

const property = z.union([z.string(), z.number(), z.boolean()], 'must be a string, a number or a boolean')
const isGiven = (value: unknown): boolean => value !== undefined && value !== ''

const kafka = z.record(z.string(), property).superRefine((properties, context) => {
  for (const [name, reason] of Object.entries(OWNED_PROPERTIES)) {
    if (name in properties) context.addIssue({ code: 'custom', path: [name], message: `is laneway's own: ${reason}` })
  }
  // librdkafka can bring its own cluster along, for tests.
  const cluster = isGiven(properties['test.mock.num.brokers']) ? 'test.mock.num.brokers' : 'bootstrap.servers'
  for (const name of [cluster, 'group.id']) {
    if (!isGiven(properties[name])) context.addIssue({ code: 'custom', path: [name], message: 'is required' })
  }
})

/** Also the properties of the producers that the consumer brings along. */
const properties = z.record(z.string(), property)

const milliseconds = (most: number) => z.number().int().min(0).max(most)
const isFunction = (value: unknown): boolean => typeof value === 'function'

/** Whether a failed attempt is worth another one. */
export type Retryable = (
  error: unknown,
  context: { readonly message: Message; readonly attempt: number; readonly firstFailedAt: number | undefined },
) => boolean

const retry = z.strictObject({
  maxAttempts: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(5)
    .meta({ description: 'attempts in all; 1: no retry. What then: `deadLetter`, or else `onExhausted`' }),
  delay: z
    .union(
      [milliseconds(2 ** 31 - 1), z.custom<RetryDelay>(isFunction)],
      'must be milliseconds (a whole number from 0 to 2^31 - 1) or a function of the attempt',
    )
    .default(() => exponentialBackoff({ initial: 100, max: 30_000 }))
    .meta({
      description: 'ms before the next attempt, or a function of the attempt that failed (1 is the first)',
      default: 'exponentialBackoff({ initial: 100, max: 30_000 })',
    }),
  retryable: z
    .custom<Retryable>(isFunction, 'must be a function of the error and its context')
    .optional()
    .meta({ description: 'whether this error is worth another attempt', default: 'every error is' }),
})

const deadLetter = z.strictObject({
  topic: z
    .union(
      [z.string().min(1), z.custom<(message: Message) => string>(isFunction)],
      'must be a topic or a function of the message',
    )
    .meta({ description: 'where dead letters go, or a function of the message' }),
  payload: z
    .enum(['full', 'metadata'])
    .default('full')
    .meta({ description: '`metadata`: without the value; key, headers and timestamp only' }),
  kafka: properties.default({}).meta({
    description: 'librdkafka properties of the producer, over those of `kafka`; idempotent with acks=all always',
  }),
})

const poisonKeys = z.strictObject({
  after: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(20)
    .meta({ description: 'failed attempts in a row, over all messages of a key, that make it poison' }),
  coolDown: milliseconds(MAX_TIMEOUT_MS)
    .min(1)
    .default(60_000)
    .meta({ description: 'ms that it stays so; then one attempt decides' }),
  action: z.enum(['park', 'giveUp']).default('park').meta({
    description: '`park`: its messages wait; `giveUp`: they are not run, as if their attempts were used up',
  }),
})

const transactional = z.strictObject({
  id: z
    .string()
    .min(1)
    .meta({ description: 'transactional.id: the same after a restart, another one for each running consumer' }),
  kafka: properties.default({}).meta({ description: 'librdkafka properties of the producer, over those of `kafka`' }),
})

const deserialize = z.strictObject({
  key: decoderOption
    .optional()
    .meta({ description: "`'json'`, `'text'`, a Standard Schema, an object with `decode()`, or a function" }),
  value: decoderOption.optional().meta({ description: 'likewise' }),
  onError: z
    .enum(['stop', 'deadLetter', 'drop'])
    .default('stop')
    .meta({ description: 'what becomes of a message that cannot be decoded; it is not retried' }),
})

const batches = z
  .strictObject({
    maxMessages: z.number().int().min(1).max(65_535).default(100),
    maxBytes: z
      .number()
      .int()
      .min(1)
      .max(2 ** 30)
      .default(1024 * 1024),
    linger: milliseconds(MAX_TIMEOUT_MS).default(0),
    lanes: z.enum(['one', 'many']).default('one'),
    sameKey: z.boolean().default(false),
  })
  .refine(({ lanes, sameKey }) => lanes === 'many' || !sameKey, {
    path: ['sameKey'],
    message: "goes with lanes: 'many'; a batch of one lane has one key anyway",
  })

const metadata = z.strictObject({
  format: z
    .enum(['laneway', 'confluent', 'none'])
    .default('laneway')
    .meta({ description: 'format of the gap map in commits; every format is read' }),
  carrier: z
    .enum(['base32768', 'base64'])
    .default('base32768')
    .meta({ description: "how laneway's format becomes text: 15 or 6 bits in each UTF-16 unit" }),
  maxUnits: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(4096)
    .meta({ description: "the broker's offset.metadata.max.bytes, in UTF-16 units; a lower limit is found by itself" }),
})

/** The options that must fit together. */
const timing = z.object({ kafka: z.record(z.string(), z.unknown()), rebalanceTimeout: z.number() })

const delivery = z.object({
  kafka: z.record(z.string(), z.unknown()),
  deadLetter: z.unknown(),
  transactional: z.unknown(),
  deserialize: z.object({ key: z.unknown(), value: z.unknown(), onError: z.string() }).partial().optional(),
  order: z.string(),
  engine: z.object({ handlers: z.string().optional() }),
})

export const schema = z
  .strictObject({
    kafka: kafka.meta({
      description: 'any librdkafka property; `bootstrap.servers` and `group.id` are required',
      default: '`auto.offset.reset` earliest, `fetch.queue.backoff.ms` 10',
    }),
    topics: z
      .array(z.string().min(1))
      .min(1)
      .meta({ description: 'topics to subscribe to; a name that begins with ^ is a regular expression' }),
    order: z
      .enum(['key', 'partition', 'none'])
      .default('key')
      .meta({ description: 'what is kept in order; a message without a key has a lane of its own' }),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(256)
      .meta({ description: 'lanes that are executed at once' }),
    maxBufferedMessages: z
      .number()
      .int()
      .min(1)
      .max(100_000_000)
      .default(20_000)
      .meta({ description: 'messages held natively: half divided among the assigned partitions, half lent to them' }),
    maxBufferedBytes: z
      .number()
      .int()
      .min(1)
      .max(2 ** 40)
      .default(64 * 1024 * 1024)
      .meta({ description: 'bytes of keys, values and headers held natively, divided likewise' }),
    maxRunLength: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .default(16)
      .meta({ description: 'most messages of one lane that an engine gets at once' }),
    commitInterval: milliseconds(3_600_000)
      .min(1)
      .default(1000)
      .meta({ description: 'ms between commits (also on revoke and on close)' }),
    rebalanceTimeout: milliseconds(MAX_TIMEOUT_MS)
      .default(30_000)
      .meta({ description: 'ms that a revoke waits for running handlers; must be below `max.poll.interval.ms`' }),
    closeTimeout: milliseconds(MAX_TIMEOUT_MS)
      .default(30_000)
      .meta({ description: 'ms that close() waits for running handlers and dead letters' }),
    retry: retry.prefault({}),
    handlerTimeout: milliseconds(MAX_TIMEOUT_MS).default(0).meta({
      description: 'ms until the signal of an asynchronous handler fires; it has failed when it ends. 0: never',
    }),
    deadLetter: deadLetter
      .optional()
      .meta({ description: 'where messages go whose attempts are used up; settled when the broker has them' }),
    onExhausted: z.enum(['stop', 'drop', 'block']).default('stop').meta({
      description:
        'without `deadLetter`: `stop` rejects `run()`, `drop` settles the message, `block` keeps its lane closed',
    }),
    poisonKeys: poisonKeys.optional().meta({ description: 'a breaker for keys that keep failing' }),
    onUnknownTopic: z
      .enum(['stop', 'wait'])
      .default('stop')
      .meta({ description: '`wait`: until a topic that does not exist is created' }),
    transactional: transactional.optional().meta({
      description:
        'exactly once: what handlers `send()` and the offsets are committed together; `maxBufferedBytes` of it may wait',
    }),
    deserialize: deserialize.optional().meta({ description: 'keys and values as handlers get them' }),
    metadata: metadata.prefault({}),
    logger: z
      .custom<Logger>((value) => {
        const logger = value as Partial<Record<keyof Logger, unknown>> | null
        return (
          typeof logger === 'object' &&
          logger !== null &&
          isFunction(logger.debug) &&
          isFunction(logger.info) &&
          isFunction(logger.warn) &&
          isFunction(logger.error)
        )
      }, 'must have the functions debug, info, warn and error')
      .default(() => stderrLogger)
      .meta({ description: 'where to log; pino and console fit', default: '`stderr`, warnings and errors only' }),
    engine: z
      .custom<Engine>((value) => {
        const engine = value as Partial<Record<keyof Engine, unknown>> | null
        return typeof engine === 'object' && engine !== null && isFunction(engine.start) && isFunction(engine.stop)
      }, 'must be an engine')
      .default(() => inline())
      .meta({ description: 'what runs handlers', default: 'inline()' }),
  })
  .superRefine(
    (options, context) => {
      const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
      const hasProducer = options.deadLetter !== undefined || options.transactional !== undefined
      if (hasProducer && isGiven(options.kafka['test.mock.num.brokers'])) {
        refuse(['kafka', 'test.mock.num.brokers'], 'has no room for a producer: its cluster is the consumer’s own')
      }
      if (options.transactional !== undefined && options.kafka['isolation.level'] === 'read_uncommitted') {
        refuse(['kafka', 'isolation.level'], 'must be read_committed with transactional')
      }
      if (options.deserialize?.onError === 'deadLetter' && options.deadLetter === undefined) {
        refuse(['deserialize', 'onError'], 'is deadLetter, and there is no option deadLetter')
      }
      if (options.engine.handlers === 'elsewhere') {
        for (const field of ['key', 'value'] as const) {
          if (options.deserialize?.[field] === undefined) continue
          refuse(['deserialize', field], 'is for handlers in this thread: this engine’s decode by themselves')
        }
      }
      if (options.poisonKeys !== undefined && options.order !== 'key') {
        refuse(['poisonKeys'], "goes with order: 'key'")
      }
    },
    { when: ({ value }) => delivery.safeParse(value).success },
  )
  .superRefine(
    (options, context) => {
      const most = Number(options.kafka['max.poll.interval.ms'] ?? DEFAULT_MAX_POLL_INTERVAL_MS)
      // What is no number is librdkafka's to refuse.
      if (Number.isNaN(most) || options.rebalanceTimeout < most) return
      const message = `must be below max.poll.interval.ms (${most}): the group would go on without this member`
      context.addIssue({ code: 'custom', path: ['rebalanceTimeout'], message })
    },
    // Also where other options are wrong, so that all are named at once.
    { when: ({ value }) => timing.safeParse(value).success },
  )

/** How `runBatches()` makes batches. */
export interface BatchOptions {
  /** Most messages of a batch. Default: 100. */
  readonly maxMessages?: number
  /** Most bytes of a batch, but for a single message. Default: 1 MiB. */
  readonly maxBytes?: number
  /** ms that a batch which is not full waits for more. Default: 0. */
  readonly linger?: number
  /** Batches of one lane (the messages of one key, in order), or across lanes. Default: 'one'. */
  readonly lanes?: 'one' | 'many'
  /** Across lanes: several messages of one key may be in a batch, in order. Default: false. */
  readonly sameKey?: boolean
}

/** @throws LanewayError `CONFIG_INVALID`, with every wrong field in `issues` */
export function parseBatchOptions(
  options: unknown,
  { concurrency, rebalanceTimeout }: ConsumerConfig,
): z.output<typeof batches> {
  const fitting = batches.superRefine(({ lanes, sameKey, maxMessages, linger }, context) => {
    if (lanes === 'one') return
    const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
    if (!sameKey && maxMessages > concurrency) {
      refuse('maxMessages', `must not be above concurrency (${concurrency}): each message is of another lane`)
    }
    // What is gathered is leased: a revoke waits for it, and where it gives up, others have run the messages meanwhile.
    if (linger > 0 && linger >= rebalanceTimeout) {
      refuse('linger', `must be below rebalanceTimeout (${rebalanceTimeout}) with lanes: 'many'`)
    }
  })
  return validate(fitting, options, 'options of runBatches()')
}

/** What a user gives; see the README's table for units and defaults. */
export type ParallelConsumerOptions<D extends Decoders = Decoders> = Omit<z.input<typeof schema>, 'deserialize'> & {
  readonly deserialize?: (D & Decoders & Pick<z.input<typeof deserialize>, 'onError'>) | undefined
}
/** The same with every default filled in. */
export type ConsumerConfig = z.output<typeof schema>

/** @throws LanewayError `CONFIG_INVALID`, with every wrong field in `issues` */
export function parseConfig(options: unknown): ConsumerConfig {
  return validate(schema, options)
}

const closeOptions = z.strictObject({
  mode: z.enum(['drain', 'abort']).default('drain'),
  deadline: milliseconds(MAX_TIMEOUT_MS).optional(),
})

/** @throws LanewayError `CONFIG_INVALID`, with every wrong field in `issues` */
export function parseCloseOptions(options: unknown): z.output<typeof closeOptions> {
  return validate(closeOptions, options, 'options of close()')
}
