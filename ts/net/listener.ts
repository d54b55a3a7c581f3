/**
 * A socket that is listened on, with every connection that it has accepted: so many at once, and none outlives it. TLS
 * ends here, so that the limits hold for connections that never finish their handshake, too.
 */
import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { LanewayError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import { stderrLogger } from '../stderr-logger.js'
import type { Address } from './address.js'
import type { ServerTls } from './tls.js'

export interface ListenerOptions {
  readonly address: Address
  readonly tls?: ServerTls | undefined
  readonly maxConnections: number
  readonly handshakeTimeoutMs: number
}

const OWNER_ONLY = 0o600

export class Listener {
  /** As whoever dials is told it: with the port that was chosen where 0 was asked for. */
  readonly address: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, address: string, logger: Logger) {
    this.#server = server
    this.address = address
    // The raw connection: of a TLS server also before the handshake has ended.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    // E.g. for want of file descriptors.
    server.on('error', (error) => logger.warn('a connection could not be accepted', { error }))
    server.on('tlsClientError', (error: Error) => logger.debug('a TLS handshake failed', { error }))
  }

  /**
   * @param onConnection gets each connection once it can be read in plain text
   * @throws LanewayError `LISTEN_FAILED`
   */
  static async open(
    options: ListenerOptions,
    onConnection: (socket: Socket) => void,
    logger: Logger = stderrLogger,
  ): Promise<Listener> {
    const { address } = options
    const server = serverFor(options, onConnection)
    server.maxConnections = options.maxConnections
    try {
      await listen(server, address)
    } catch (cause) {
      server.close()
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new LanewayError('LISTEN_FAILED', `cannot listen on ${address.text}: ${reason}`, { cause, fatal: true })
    }
    const text = address.kind === 'unix' ? address.text : textOf(server.address() as AddressInfo)
    return new Listener(server, text, logger)
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

async function listen(server: Server, address: Address): Promise<void> {
  const listening = once(server, 'listening')
  if (address.kind === 'tcp') {
    server.listen(address.port, address.host)
  } else {
    await removeStale(address.path)
    server.listen(address.path)
    // A socket in the file system is bound at once, or not at all: nobody else has reached it before this.
    if (server.listening) chmodSync(address.path, OWNER_ONLY)
  }
  await listening
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
