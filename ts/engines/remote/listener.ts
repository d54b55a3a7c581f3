/**
 * A socket that is listened on, with every connection that it has accepted: so many at once, and none outlives it. TLS
 * ends here, so that the limits hold for connections that never finish their handshake, too.
 */
import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { LanewayError } from '../../errors.js'
import type { Address } from './address.js'

export interface TlsOptions {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** Who signs the certificates that workers must show; none: they need not show any. */
  readonly clientCa?: string | Buffer | undefined
}

export interface ListenerOptions {
  readonly address: Address
  readonly tls?: TlsOptions | undefined
  readonly maxConnections: number
  readonly handshakeTimeoutMs: number
}

const OWNER_ONLY = 0o600

export class Listener {
  readonly #server: Server
  /** As workers are told it: with the port that was chosen where 0 was asked for. */
  #address: string
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, address: Address) {
    this.#server = server
    this.#address = address.text
    // The raw connection: of a TLS server also before the handshake has ended.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /**
   * @param onConnection gets each connection once it can be read in plain text
   * @param onError what a connection failed with before that, and what kept one from being accepted
   * @throws LanewayError `LISTEN_FAILED`
   */
  static async open(
    options: ListenerOptions,
    onConnection: (socket: Socket) => void,
    onError: (error: Error) => void,
  ): Promise<Listener> {
    const { address } = options
    const server = serverFor(options, onConnection)
    server.maxConnections = options.maxConnections
    const listener = new Listener(server, address)
    try {
      if (address.kind === 'unix') await removeStale(address.path)
      const listening = once(server, 'listening')
      server.listen(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port })
      // A socket in the file system is bound at once, or not at all: nobody else has reached it before this.
      if (address.kind === 'unix' && server.listening) chmodSync(address.path, OWNER_ONLY)
      await listening
      if (address.kind !== 'unix') listener.#address = textOf(server.address() as AddressInfo)
    } catch (cause) {
      server.close()
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new LanewayError('LISTEN_FAILED', `cannot listen on ${address.text}: ${reason}`, { cause, fatal: true })
    }
    // E.g. for want of file descriptors, or of a handshake; neither must end the consumer.
    server.on('error', onError)
    server.on('tlsClientError', onError)
    return listener
  }

  get address(): string {
    return this.#address
  }

  /** Accepts nothing more. */
  close(): void {
    this.#server.close()
  }

  /** Ends what is still connected. */
  destroy(): void {
    this.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

function textOf({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

function serverFor({ tls, handshakeTimeoutMs }: ListenerOptions, onConnection: (socket: Socket) => void): Server {
  if (tls === undefined) return createServer(onConnection)
  const { cert, key, clientCa } = tls
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }
  const options = { cert, key, ...clients, ALPNProtocols: ['h2'], handshakeTimeout: handshakeTimeoutMs }
  return createTlsServer(options, onConnection)
}

/** A socket whose process was killed is still there, and nobody answers. */
async function removeStale(path: string): Promise<void> {
  const isStale = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
  if (isStale) rmSync(path, { force: true })
}
