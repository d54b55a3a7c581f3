/**
 * The engine whose handlers run in workers that dial in, in any language, on this machine or on others: see
 * proto/laneway/worker/v1. This file knows its options; what it does is in the folder `remote`, which is loaded when the
 * engine starts, because others need none of gRPC.
 */
import { createPublicKey, KeyObject } from 'node:crypto'
import { z } from 'zod'
import { LanewayError } from '../errors.js'
import { addressOption, isLocal } from '../net/address.js'
import { type ServerTls, serverTls } from '../net/tls.js'
import type { Engine, EngineHost, StopMode } from '../ports/engine.js'
import { validate } from '../validation.js'
import type { Admit } from './remote/admission.js'
import type { RemoteEngine } from './remote/engine.js'
import { limitsOf, type WorkerOptions, workerOptions } from './worker-options.js'

export interface RemoteWorkersOptions extends WorkerOptions {
  /** Where to listen: `unix:/path`, `host:port` or `[host]:port`; port 0 chooses one (see {@link RemoteWorkersEngine}). */
  readonly listen: string
  /** With `clientCa`, workers must show a certificate that it has signed. */
  readonly tls?: ServerTls
  /**
   * Workers must show a bearer token, a JSON Web Token that is signed with one of these keys, for this audience and by
   * this issuer, and that has not expired. Exactly one of `key`, `jwks` and `jwksUrl`.
   */
  readonly auth?: {
    readonly jwt: {
      /** A public key in PEM or as a KeyObject, or the bytes of a shared secret. */
      readonly key?: string | Uint8Array | KeyObject
      /** A JSON Web Key Set. */
      readonly jwks?: { readonly keys: readonly object[] }
      /** Where to get one, and again when a key is not in it. */
      readonly jwksUrl?: string
      readonly audience: string
      /** Default: any. */
      readonly issuer?: string
    }
  }
  /** Listens in plain text on addresses that others reach: for networks that encrypt by themselves. */
  readonly insecure?: true
  /** Default: 1,000. */
  readonly maxWorkers?: number
}

/** What `remoteWorkers()` gives. */
export interface RemoteWorkersEngine extends Engine {
  /** Where it listens, once it has started. */
  readonly address: string | undefined
}

const isKey = (value: unknown): boolean =>
  (typeof value === 'string' && value !== '') || value instanceof Uint8Array || value instanceof KeyObject

const jwt = z
  .strictObject({
    key: z.custom<string | Uint8Array | KeyObject>(isKey, 'must be PEM, a KeyObject or bytes').optional(),
    jwks: z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })) }).optional(),
    jwksUrl: z.url().optional(),
    audience: z.string().min(1),
    issuer: z.string().min(1).optional(),
  })
  .superRefine(({ key, jwks, jwksUrl }, context) => {
    const given = [key, jwks, jwksUrl].filter((each) => each !== undefined)
    if (given.length !== 1) context.addIssue({ code: 'custom', message: 'needs exactly one of key, jwks and jwksUrl' })
    if (typeof key !== 'string') return
    try {
      createPublicKey(key)
    } catch {
      context.addIssue({ code: 'custom', path: ['key'], message: 'is no public key in PEM' })
    }
  })

const schema = z
  .strictObject({
    ...workerOptions,
    listen: addressOption(),
    tls: serverTls.optional(),
    auth: z.strictObject({ jwt }).optional(),
    insecure: z.literal(true).optional(),
    maxWorkers: z.number().int().min(1).max(100_000).default(1_000),
  })
  .refine(({ listen, tls, insecure }) => isLocal(listen) || tls !== undefined || insecure === true, {
    path: ['listen'],
    message: 'would carry messages in plain text where others can read them: give tls, or insecure: true',
  })

class RemoteWorkers implements RemoteWorkersEngine {
  readonly handlers = 'elsewhere'
  readonly #options: z.output<typeof schema>
  #starting: Promise<RemoteEngine> | undefined
  #engine: RemoteEngine | undefined

  constructor(options: RemoteWorkersOptions) {
    this.#options = validate(schema, options, 'options of remoteWorkers()')
  }

  get address(): string | undefined {
    return this.#engine?.address
  }

  async start(host: EngineHost): Promise<void> {
    if (this.#starting !== undefined) throw new LanewayError('ALREADY_RUNNING', 'an engine serves one consumer, once')
    this.#starting = this.#start(host)
    this.#engine = await this.#starting
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    // One that could not start has said so.
    const engine = await this.#starting?.catch(() => undefined)
    await engine?.stop(mode, deadlineMs)
  }

  fence(partitions: Parameters<NonNullable<Engine['fence']>>[0]): void {
    this.#engine?.fence(partitions)
  }

  async #start(host: EngineHost): Promise<RemoteEngine> {
    const { RemoteEngine } = await import('./remote/engine.js')
    const { listen: address, tls, maxWorkers, leaseTimeout } = this.#options
    // Nobody can end them from here.
    const limits = limitsOf(this.#options, { maxWorkers, killAfterMs: leaseTimeout })
    return RemoteEngine.start(host, limits, await this.#admission(), { address, tls })
  }

  async #admission(): Promise<Admit> {
    const { auth } = this.#options
    if (auth === undefined) return () => ({ name: 'worker' })
    const { admitByJwt } = await import('./remote/json-web-tokens.js')
    return admitByJwt(auth.jwt)
  }
}

/**
 * Handlers run in workers that dial in: any number, at any time, in any language. Messages go to whoever has credits left,
 * and one key is never with two workers at once, including one that was cut off and still runs.
 *
 * @throws LanewayError `CONFIG_INVALID`, with every wrong option in `issues`
 */
export function remoteWorkers(options: RemoteWorkersOptions): RemoteWorkersEngine {
  return new RemoteWorkers(options)
}
