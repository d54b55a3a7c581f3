/** A leased message, as a handler sees it. Keys and values are views into the frame in which it came. */
import { numberOf, type v1 } from '../contracts/worker-contract.js'
import type { Message } from '../ports/engine.js'

function bytesOf(bytes: Uint8Array | null | undefined): Buffer | null {
  if (bytes === null || bytes === undefined) return null
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export class LeasedMessage implements Message {
  readonly topic: string
  readonly partition: number
  readonly #message: v1.Message.$Properties

  constructor(topic: string, partition: number, message: v1.Message.$Properties) {
    this.topic = topic
    this.partition = partition
    this.#message = message
  }

  get offset(): number {
    return numberOf(this.#message.offset)
  }

  get timestamp(): number {
    return numberOf(this.#message.timestampMs)
  }

  get key(): Buffer | null {
    return bytesOf(this.#message.key)
  }

  get value(): Buffer | null {
    return bytesOf(this.#message.value)
  }

  get headers(): readonly (readonly [string, Buffer | null])[] {
    return (this.#message.headers ?? []).map(({ name, value }) => [name ?? '', bytesOf(value)] as const)
  }
}
