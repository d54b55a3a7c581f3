/** The options of a server of functions: what they are, what they default to, and what is refused. */
import { z } from 'zod'
import { addressOption, isLocal } from '../net/address.js'
import { type ServerTls, serverTls } from '../net/tls.js'
import type { Message } from '../ports/engine.js'
import type { Logger } from '../ports/logger.js'
import { validate } from '../validation.js'
import type { WorkerHandler } from './attempt.js'
import { handlersOption, loggerOption } from './options.js'

export interface FunctionServerOptions {
  /** `unix:/path`, `host:port` or `[host]:port`; port 0: any that is free. */
  readonly listen: string
  /** By name: a call says which one it wants. */
  readonly handlers: Readonly<Record<string, WorkerHandler<Message>>>
  /** Calls that run at once; more are refused with RESOURCE_EXHAUSTED, which is a failed attempt. Default: 64. */
  readonly concurrency?: number | undefined
  /** `clientCa`: who signs the certificates that hosts must show. Default: none, on a Unix socket or loopback only. */
  readonly tls?: ServerTls | undefined
  /** Serves in plain text elsewhere all the same. */
  readonly insecure?: true | undefined
  /** The bearer token that hosts must bring along. */
  readonly token?: string | undefined
  /** Of a call. Default: 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /** Default: warnings and errors to stderr. */
  readonly logger?: Logger | undefined
}

const schema = z
  .strictObject({
    listen: addressOption(),
    handlers: handlersOption,
    concurrency: z.number().int().min(1).max(10_000).default(64),
    tls: serverTls.optional(),
    insecure: z.literal(true).optional(),
    token: z.string().min(1).optional(),
    maxMessageBytes: z
      .number()
      .int()
      .min(1)
      .max(2 ** 30)
      .default(16 * 1024 * 1024),
    logger: loggerOption,
  })
  .refine(({ listen: at, tls, insecure }) => tls !== undefined || insecure === true || isLocal(at), {
    path: ['tls'],
    message: 'is required where neither a Unix socket nor loopback is listened on (or insecure: true)',
  })

export type FunctionServerConfig = z.output<typeof schema>

/** @throws LanewayError `CONFIG_INVALID`, naming every wrong option */
export function parseFunctionServerOptions(options: FunctionServerOptions): FunctionServerConfig {
  return validate(schema, options, 'options of serveFunction()')
}
