/**
 * The options of a consumer: what they are, what they default to, and what is refused.
 *
 * One schema is the source of the types, of the checks and of the README's table (config-table.ts). Everything is
 * checked at construction, and every wrong field is named at once.
 */
import { z } from 'zod'
import { inline } from './engines/inline.js'
import type { Engine } from './ports/engine.js'
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

const milliseconds = (most: number) => z.number().int().min(0).max(most)
const isFunction = (value: unknown): boolean => typeof value === 'function'

const retry = z.strictObject({
  maxAttempts: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(5)
    .meta({ description: 'attempts in all; 1: no retry. When they are used up, `run()` rejects' }),
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
      .meta({ description: 'messages held natively, shared evenly by the assigned partitions' }),
    maxBufferedBytes: z
      .number()
      .int()
      .min(1)
      .max(2 ** 40)
      .default(64 * 1024 * 1024)
      .meta({ description: 'bytes of keys, values and headers held natively, shared likewise' }),
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
      .meta({ description: 'ms that close() waits for running handlers' }),
    retry: retry.prefault({}),
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
      const most = Number(options.kafka['max.poll.interval.ms'] ?? DEFAULT_MAX_POLL_INTERVAL_MS)
      // What is no number is librdkafka's to refuse.
      if (Number.isNaN(most) || options.rebalanceTimeout < most) return
      const message = `must be below max.poll.interval.ms (${most}): the group would go on without this member`
      context.addIssue({ code: 'custom', path: ['rebalanceTimeout'], message })
    },
    // Also where other options are wrong, so that all are named at once.
    { when: ({ value }) => timing.safeParse(value).success },
  )

/** What a user gives; see the README's table for units and defaults. */
export type ParallelConsumerOptions = z.input<typeof schema>
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
