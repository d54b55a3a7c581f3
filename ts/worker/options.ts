/** The options of a worker: what they are, what they default to, and what is refused. */
import { hostname } from 'node:os'
import { z } from 'zod'
import { addressOption, isLocal } from '../net/address.js'
import { type ClientTls, clientTls } from '../net/tls.js'
import type { Message } from '../ports/engine.js'
import type { Logger } from '../ports/logger.js'
import { stderrLogger } from '../stderr-logger.js'
import { validate } from '../validation.js'
import type { WorkerHandler } from './attempt.js'

/** A token, or what gives one whenever the worker dials. */
export type WorkerToken = string | (() => string | Promise<string>)

export interface WorkerOptions {
  /** What the worker does, by name. The host says which one it wants. */
  readonly handlers: Readonly<Record<string, WorkerHandler<Message>>>
  /** `unix:/path`, `host:port` or `[host]:port`. Default: the environment variable LANEWAY_WORKER_ADDRESS. */
  readonly address?: string | undefined
  /** Handlers that run at once, 1 to 10,000. Default: 64. */
  readonly concurrency?: number | undefined
  /**
   * Messages that it holds at most: those that are handled, and those that wait behind them. 1 to 10,000; fewer are
   * better where handlers are slow, because another worker gets the rest. Default: twice the concurrency.
   */
  readonly credits?: number | undefined
  /** Sent as a bearer token. Default: the environment variable LANEWAY_WORKER_TOKEN, or none. */
  readonly token?: WorkerToken | undefined
  /** true: with the authorities that Node knows. Default: none, which goes with a Unix socket or loopback only. */
  readonly tls?: ClientTls | true | undefined
  /** Dials a host elsewhere without TLS all the same: whoever can listen reads the messages and the token. */
  readonly insecure?: true | undefined
  /** For the host's logs. Default: the name of the machine and the process id. */
  readonly name?: string | undefined
  /** The largest message (key, value and headers) that it takes, in bytes. Default: the host's limit. */
  readonly maxMessageBytes?: number | undefined
  /** ms that a drain waits for running handlers before it cancels them. Default: 25,000, less than Kubernetes waits. */
  readonly drainTimeout?: number | undefined
  /**
   * The signals at which `run()` drains; a second one cancels the handlers at once. [] leaves signals to the program.
   * Default: SIGTERM and SIGINT.
   */
  readonly drainOn?: readonly NodeJS.Signals[] | undefined
  /** Bounds, in ms, of the delays between attempts to reach the host. Default: 100 and 10,000. */
  readonly reconnect?: { readonly initial?: number | undefined; readonly max?: number | undefined } | undefined
  /**
   * ms without a host after which `run()` rejects. Default: a minute on a Unix socket, whose host is gone with its
   * machine; else never (Infinity).
   */
  readonly giveUpAfter?: number | undefined
  /** Default: warnings and errors to stderr. */
  readonly logger?: Logger | undefined
}

const MAX_HELD = 10_000
const MAX_MS = 2 ** 31 - 1
const UNIX_GIVE_UP_MS = 60_000

const milliseconds = z.number().int().min(0).max(MAX_MS)
const held = z.number().int().min(1).max(MAX_HELD)
const isFunction = (value: unknown): boolean => typeof value === 'function'
export const handlersOption = z
  .record(z.string().min(1).max(256), z.custom<WorkerHandler<Message>>(isFunction, 'must be a function'))
  .refine((all) => Object.keys(all).length > 0, { message: 'must name at least one handler' })

export const loggerOption = z
  .custom<Logger>((logger) => typeof logger === 'object' && logger !== null, 'must be a logger')
  .default(stderrLogger)

const schema = z
  .strictObject({
    handlers: handlersOption,
    address: addressOption('is required, here or as LANEWAY_WORKER_ADDRESS'),
    concurrency: held.default(64),
    credits: held.optional(),
    token: z
      .union([z.string().min(1), z.custom<() => string | Promise<string>>(isFunction)], 'must be text or a function')
      .optional(),
    tls: z.union([clientTls, z.literal(true).transform((): ClientTls => ({}))]).optional(),
    insecure: z.literal(true).optional(),
    name: z.string().max(256).optional(),
    maxMessageBytes: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    drainTimeout: milliseconds.default(25_000),
    drainOn: z.array(z.custom<NodeJS.Signals>((name) => typeof name === 'string')).default(['SIGTERM', 'SIGINT']),
    reconnect: z.strictObject({ initial: milliseconds.default(100), max: milliseconds.default(10_000) }).prefault({}),
    giveUpAfter: z.union([milliseconds, z.literal(Number.POSITIVE_INFINITY)]).optional(),
    logger: loggerOption,
  })
  .refine(({ address: at, tls: secured, insecure }) => secured !== undefined || insecure === true || isLocal(at), {
    path: ['tls'],
    message: 'is required for a host that is neither on a Unix socket nor on loopback (or insecure: true)',
  })
  .transform((options) => ({
    ...options,
    credits: options.credits ?? Math.min(2 * options.concurrency, MAX_HELD),
    name: options.name ?? `${hostname()}-${process.pid}`,
    giveUpAfter: options.giveUpAfter ?? (options.address.kind === 'unix' ? UNIX_GIVE_UP_MS : Number.POSITIVE_INFINITY),
  }))

export type WorkerConfig = z.output<typeof schema>

/** @throws LanewayError `CONFIG_INVALID`, naming every wrong option */
export function parseWorkerOptions(options: WorkerOptions): WorkerConfig {
  const { LANEWAY_WORKER_ADDRESS, LANEWAY_WORKER_TOKEN } = process.env
  const { address: at = LANEWAY_WORKER_ADDRESS, token = LANEWAY_WORKER_TOKEN } = options ?? {}
  return validate(schema, { ...options, address: at, token: token === '' ? undefined : token })
}
