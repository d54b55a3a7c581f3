/**
 * As much of a Kafka broker as a client needs to find its brokers again and again: it answers ApiVersions (version 0),
 * Metadata (version 1) and FindCoordinator (version 0), and nothing else. For answers that a real one gives too rarely.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

const API_VERSIONS = 18
const METADATA = 3
const FIND_COORDINATOR = 10
const UNSUPPORTED_VERSION = 35
const UNKNOWN_TOPIC = 3
/** What it says that it knows, as key, first and last version: enough for librdkafka to take it for a broker with groups. */
const APIS: readonly (readonly [number, number, number])[] = [
  [0, 0, 3],
  [1, 0, 4],
  [2, 0, 1],
  [METADATA, 0, 1],
  [8, 1, 2],
  [9, 1, 1],
  [FIND_COORDINATOR, 0, 0],
  [11, 0, 2],
  [12, 0, 0],
  [13, 0, 0],
  [14, 0, 0],
  [API_VERSIONS, 0, 0],
]

const NODE_ID = 1
const HOST = '127.0.0.1'

/** Big-endian, as Kafka's protocol has it. */
class Frame {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    return this.#add(1, (part) => part.writeInt8(value))
  }

  int16(value: number): this {
    return this.#add(2, (part) => part.writeInt16BE(value))
  }

  int32(value: number): this {
    return this.#add(4, (part) => part.writeInt32BE(value))
  }

  text(value: string | null): this {
    if (value === null) return this.int16(-1)
    this.int16(Buffer.byteLength(value))
    this.#parts.push(Buffer.from(value))
    return this
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #add(size: number, write: (part: Buffer) => void): this {
    const part = Buffer.alloc(size)
    write(part)
    this.#parts.push(part)
    return this
  }
}

export class ScriptedBroker implements AsyncDisposable {
  readonly #server = createServer((socket) => this.#serve(socket))
  readonly #sockets = new Set<Socket>()
  #forgetsOnce = false
  /** Metadata answers that named the broker, and that named none. */
  readonly answered = { usual: 0, empty: 0 }

  static async start(): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker()
    broker.#server.listen(0, HOST)
    await once(broker.#server, 'listening')
    return broker
  }

  get bootstrapServers(): string {
    return `${HOST}:${this.#port}`
  }

  /** The next metadata answer names no broker at all, as that of one which starts or ends may. */
  forgetBrokersOnce(): void {
    this.#forgetsOnce = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy())
    let received = Buffer.alloc(0)
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const end = 4 + received.readInt32BE(0)
        this.#answer(socket, received.subarray(4, end))
        received = received.subarray(end)
      }
    })
  }

  #answer(socket: Socket, request: Buffer): void {
    const body = this.#bodyFor(request.readInt16BE(0), request.readInt16BE(2))
    if (body === undefined) return
    const correlation = request.readInt32BE(4)
    const answer = Buffer.concat([new Frame().int32(correlation).bytes(), body.bytes()])
    socket.write(Buffer.concat([new Frame().int32(answer.length).bytes(), answer]))
  }

  #bodyFor(api: number, version: number): Frame | undefined {
    switch (api) {
      case API_VERSIONS:
        return this.#apiVersions(version)
      case METADATA:
        return this.#metadata()
      case FIND_COORDINATOR:
        return new Frame().int16(0).int32(NODE_ID).text(HOST).int32(this.#port)
      default:
        return undefined
    }
  }

  #apiVersions(version: number): Frame {
    if (version > 0) return new Frame().int16(UNSUPPORTED_VERSION).int32(1).int16(API_VERSIONS).int16(0).int16(0)
    const frame = new Frame().int16(0).int32(APIS.length)
    for (const [key, first, last] of APIS) frame.int16(key).int16(first).int16(last)
    return frame
  }

  #metadata(): Frame {
    const isEmpty = this.#forgetsOnce
    this.#forgetsOnce = false
    this.answered[isEmpty ? 'empty' : 'usual'] += 1
    const frame = new Frame()
    if (isEmpty) frame.int32(0)
    else frame.int32(1).int32(NODE_ID).text(HOST).int32(this.#port).text(null)
    return frame.int32(NODE_ID).int32(1).int16(UNKNOWN_TOPIC).text('unknown').int8(0).int32(0)
  }
}
