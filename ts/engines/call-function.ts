/**
 * A handler that calls a function on another server, once for each message (FunctionService of
 * proto/laneway/worker/v1): for functions that are servers already, and for any engine that runs handlers here. gRPC is
 * loaded with the first message.
 */
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import type { Handler } from '../ports/engine.js'
import { validate } from '../validation.js'
import { isLocal, parseAddress } from './remote/address.js'
import type { FunctionClient } from './remote/function-client.js'
import { milliseconds, workerOptions } from './worker-options.js'

export interface CallFunctionOptions {
  /** Of the server: `unix:/path`, `host:port` or `[host]:port`. */
  readonly address: string
  /** The name of the handler there. Default: `default`. */
  readonly handler?: string
  /** PEM. `ca`: who has signed the server's certificate, where that is no public authority; the others: who calls. */
  readonly tls?: { readonly ca?: string | Buffer; readonly cert?: string | Buffer; readonly key?: string | Buffer }
  /** Speaks in plain text over networks that others reach. */
  readonly insecure?: true
  /** Shown as a bearer token. */
  readonly token?: string
  /** ms that a call may take; it ends earlier where the attempt is aborted. Default: 30,000. */
  readonly timeout?: number
  /** Of an answer. Default: 16 MiB. */
  readonly maxMessageBytes?: number
}

const pem = z.union([z.string().min(1), z.instanceof(Buffer)], 'must be PEM: a string or a Buffer')

const tls = z
  .strictObject({ ca: pem.optional(), cert: pem.optional(), key: pem.optional() })
  .superRefine((options, context) => {
    if ((options.cert === undefined) !== (options.key === undefined)) {
      context.addIssue({ code: 'custom', message: 'cert and key go together' })
      return
    }
    try {
      createSecureContext(options)
    } catch (error) {
      context.addIssue({ code: 'custom', message: `cannot be used: ${(error as Error).message}` })
    }
  })

const schema = z
  .strictObject({
    address: z.string(),
    handler: workerOptions.handler,
    tls: tls.optional(),
    insecure: z.literal(true).optional(),
    token: z.string().min(1).optional(),
    timeout: milliseconds.default(30_000),
    maxMessageBytes: workerOptions.maxMessageBytes,
  })
  .superRefine(({ address: text, tls, insecure }, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['address'], message })
    const address = parseAddress(text)
    if (address === undefined) refuse("must be 'unix:/path', 'host:port' or '[host]:port'")
    else if (!isLocal(address) && tls === undefined && insecure !== true) {
      refuse('would get messages in plain text where others can read them: give tls, or insecure: true')
    }
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
