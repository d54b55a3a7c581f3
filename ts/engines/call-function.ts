/**
 * A handler that calls a function on another server, once for each message (FunctionService of
 * proto/laneway/worker/v1): for functions that are servers already, and for any engine that runs handlers here. gRPC is
 * loaded with the first message.
 */
import { z } from 'zod'
import { addressOption, isLocal } from '../net/address.js'
import { type ClientTls, clientTls } from '../net/tls.js'
import type { Handler } from '../ports/engine.js'
import { validate } from '../validation.js'
import type { FunctionClient } from './remote/function-client.js'
import { milliseconds, workerOptions } from './worker-options.js'

export interface CallFunctionOptions {
  /** Of the server: `unix:/path`, `host:port` or `[host]:port`. */
  readonly address: string
  /** The name of the handler there. Default: `default`. */
  readonly handler?: string
  /** `cert` and `key`: who calls. */
  readonly tls?: ClientTls
  /** Speaks in plain text over networks that others reach. */
  readonly insecure?: true
  /** Shown as a bearer token. */
  readonly token?: string
  /** ms that a call may take; it ends earlier where the attempt is aborted. Default: 30,000. */
  readonly timeout?: number
  /** Of an answer. Default: 16 MiB. */
  readonly maxMessageBytes?: number
}

const schema = z
  .strictObject({
    address: addressOption(),
    handler: workerOptions.handler,
    tls: clientTls.optional(),
    insecure: z.literal(true).optional(),
    token: z.string().min(1).optional(),
    timeout: milliseconds.default(30_000),
    maxMessageBytes: workerOptions.maxMessageBytes,
  })
  .refine(({ address, tls, insecure }) => isLocal(address) || tls !== undefined || insecure === true, {
    path: ['address'],
    message: 'would get messages in plain text where others can read them: give tls, or insecure: true',
  })

/**
 * What the function answers is what becomes of the message: completed, failed (a {@link WorkerError}), retried, dropped,
 * dead-lettered, or the end of the consumer. An error of gRPC is a failed attempt, whose `code` is gRPC's, e.g.
 * `UNAVAILABLE`.
 *
 * @throws LanewayError `CONFIG_INVALID`, with every wrong option in `issues`
 */
export function callFunction(options: CallFunctionOptions): Handler {
  const checked = validate(schema, options, 'options of callFunction()')
  let client: Promise<FunctionClient> | undefined
  return async (message, context) => {
    client ??= import('./remote/function-client.js').then(({ FunctionClient }) => new FunctionClient(checked))
    await (await client).call(message, context)
  }
}
