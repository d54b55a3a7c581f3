/**
 * A TCP proxy on loopback between the members and the broker, which can cut a member off, or delay what it sends and
 * receives.
 *
 * All members come in through one port, the one that the broker advertises. Each request of Kafka's protocol names its
 * client: the first one on a connection says whose connection it is. It must not look at or change anything else.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

const HOST = '127.0.0.1'
/** Length, API key, version, correlation id, length of the client id. */
const NAME_AT = 4 + 2 + 2 + 4 + 2
/** A request that does not end its client id within so many bytes is none of ours. */
const MOST_NAME_BYTES = 256

/** The client id of the request that begins here; undefined where more bytes are needed. */
export function clientIdOf(bytes: Buffer): string | undefined {
  if (bytes.length < NAME_AT) return undefined
  const size = bytes.readInt16BE(NAME_AT - 2)
  if (size < 0 || size > MOST_NAME_BYTES) return ''
  if (bytes.length < NAME_AT + size) return undefined
  return bytes.toString('utf8', NAME_AT, NAME_AT + size)
}

/** What is done to a member's connections. */
interface Disturbance {
  readonly member: string | null
  readonly kind: 'cut' | 'delay'
  readonly delayMs: number
}

class Connection {
  readonly #client: Socket
  readonly #broker: Socket
  readonly #delayMs: () => number
  #head: Buffer | undefined = Buffer.alloc(0)
  member = ''

  constructor(client: Socket, broker: Socket, events: { named(): void; closed(): void; delayMs(): number }) {
    this.#client = client
    this.#broker = broker
    this.#delayMs = events.delayMs
    client.on('data', (bytes: Buffer) => {
      if (this.#head !== undefined) this.#lookForName(bytes, events.named)
      this.#forward(client, broker, bytes)
    })
    broker.on('data', (bytes: Buffer) => this.#forward(broker, client, bytes))
    for (const socket of [client, broker]) {
      socket.setNoDelay(true)
      socket.on('error', () => this.destroy())
      socket.on('close', () => {
        this.destroy()
        events.closed()
      })
    }
  }

  destroy(): void {
    this.#client.destroy()
    this.#broker.destroy()
  }

  #lookForName(bytes: Buffer, named: () => void): void {
    this.#head = Buffer.concat([this.#head ?? Buffer.alloc(0), bytes])
    const member = clientIdOf(this.#head)
    if (member === undefined) return
    this.#head = undefined
    this.member = member
    named()
  }

  /** The order of the bytes is kept: timers of one length fire in the order of their start, and a pause holds the rest. */
  #forward(from: Socket, to: Socket, bytes: Buffer): void {
    const delayMs = this.#delayMs()
    from.pause()
    const write = (): void => {
      if (to.destroyed) return
      if (to.write(bytes)) from.resume()
      else to.once('drain', () => from.resume())
    }
    if (delayMs === 0) write()
    else setTimeout(write, delayMs)
  }
}

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  readonly #disturbances = new Set<Disturbance>()
  #upstream = 0

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (client) => this.#accept(client))
  }

  static async listen(): Promise<TcpProxy> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, HOST, resolve)
    })
    return new TcpProxy(server)
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    return address.port
  }

  /** Where connections go from now on; before, they are refused. */
  forwardTo(port: number): void {
    this.#upstream = port
  }

  /** Closes the connections of a member (null: of all), and every new one, until the returned function is called. */
  cut(member: string | null): () => void {
    const undo = this.#disturb({ member, kind: 'cut', delayMs: 0 })
    for (const connection of this.#connections) this.#closeWhereCut(connection)
    return undo
  }

  /** Delays each way of a member's connections by so much, until the returned function is called. */
  delay(member: string | null, delayMs: number): () => void {
    return this.#disturb({ member, kind: 'delay', delayMs })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #disturb(disturbance: Disturbance): () => void {
    this.#disturbances.add(disturbance)
    return () => void this.#disturbances.delete(disturbance)
  }

  #of(connection: Connection, kind: Disturbance['kind']): Disturbance[] {
    return [...this.#disturbances].filter((each) => {
      return each.kind === kind && (each.member === null || each.member === connection.member)
    })
  }

  #closeWhereCut(connection: Connection): void {
    if (this.#of(connection, 'cut').length > 0) connection.destroy()
  }

  #accept(client: Socket): void {
    if (this.#upstream === 0) {
      client.destroy()
      return
    }
    const connection: Connection = new Connection(client, connect(this.#upstream, HOST), {
      named: () => this.#closeWhereCut(connection),
      closed: () => this.#connections.delete(connection),
      delayMs: () => Math.max(0, ...this.#of(connection, 'delay').map(({ delayMs }) => delayMs)),
    })
    this.#connections.add(connection)
    this.#closeWhereCut(connection)
  }
}
