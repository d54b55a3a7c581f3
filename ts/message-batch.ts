/**
 * Views over a batch of messages as native code wrote it (native/core/batch_layout.h; the two change together).
 *
 * A batch is one ArrayBuffer owned by V8. Nothing is decoded until it is asked for, so that a message costs one small
 * object; keys and values are views into the batch and keep it alive while they are kept.
 */
import type { Message } from './ports/engine.js'

const HEADER_BYTES = 24

/**
 * The class of every Buffer, which `Buffer` names as its species: called by itself it takes half of the time of
 * Buffer.from(), which looks at its arguments first.
 */
const View = (Buffer as unknown as { [Symbol.species]: new (memory: ArrayBuffer, at: number, size: number) => Buffer })[
  Symbol.species
]

export type PartitionName = (id: number) => { readonly topic: string; readonly partition: number }

export class MessageBatch {
  readonly count: number
  readonly runs: number
  /** The lease id of message i is `firstLease + i`. */
  readonly firstLease: number
  readonly offsets: Float64Array
  readonly timestamps: Float64Array
  /** ms since the epoch, -1: none; undefined where no message of the batch has failed before. */
  readonly firstFailures: Float64Array | undefined
  readonly slots: Uint32Array
  readonly data: Uint32Array
  readonly keySizes: Int32Array
  readonly valueSizes: Int32Array
  readonly headerSizes: Uint32Array
  /** 0: not to be run, because its key is poison. */
  readonly attempts: Uint32Array
  /** Index of each run's first message; one more entry than runs, the last is `count`. */
  readonly runStarts: Uint32Array
  readonly runPartitions: Uint32Array
  readonly buffer: ArrayBuffer
  /** The engine's own note: how many fences there had been when it was taken. */
  fencesSeen = 0

  constructor(buffer: ArrayBuffer) {
    const sizes = new Uint32Array(buffer, 0, 6)
    const count = sizes[0] ?? 0
    const runs = sizes[1] ?? 0
    const anyFailed = sizes[4] === 1
    let at = HEADER_BYTES
    const next = (bytes: number): number => {
      const from = at
      at += bytes
      return from
    }
    this.buffer = buffer
    this.count = count
    this.runs = runs
    this.firstLease = new Float64Array(buffer, 8, 1)[0] ?? 0
    this.offsets = new Float64Array(buffer, next(8 * count), count)
    this.timestamps = new Float64Array(buffer, next(8 * count), count)
    this.firstFailures = anyFailed ? new Float64Array(buffer, next(8 * count), count) : undefined
    this.slots = new Uint32Array(buffer, next(4 * count), count)
    this.data = new Uint32Array(buffer, next(4 * count), count)
    this.keySizes = new Int32Array(buffer, next(4 * count), count)
    this.valueSizes = new Int32Array(buffer, next(4 * count), count)
    this.headerSizes = new Uint32Array(buffer, next(4 * count), count)
    this.attempts = new Uint32Array(buffer, next(4 * count), count)
    this.runStarts = new Uint32Array(buffer, next(4 * (runs + 1)), runs + 1)
    this.runPartitions = new Uint32Array(buffer, next(4 * runs), runs)
  }

  /** ms since the epoch; undefined where the message has not failed. */
  firstFailedAt(index: number): number | undefined {
    const at = this.firstFailures?.[index] ?? -1
    return at < 0 ? undefined : at
  }

  /** Bytes of a message's key, value and headers. */
  bytesOf(index: number): number {
    const keySize = Math.max(this.keySizes[index] ?? 0, 0)
    const valueSize = Math.max(this.valueSizes[index] ?? 0, 0)
    return keySize + valueSize + (this.headerSizes[index] ?? 0)
  }
}

/** One message of a batch. */
export class BatchMessage implements Message {
  readonly topic: string
  readonly partition: number
  readonly #batch: MessageBatch
  readonly #index: number

  constructor(batch: MessageBatch, index: number, at: { readonly topic: string; readonly partition: number }) {
    this.#batch = batch
    this.#index = index
    this.topic = at.topic
    this.partition = at.partition
  }

  get offset(): number {
    return this.#batch.offsets[this.#index] ?? -1
  }

  get timestamp(): number {
    return this.#batch.timestamps[this.#index] ?? -1
  }

  get key(): Buffer | null {
    const size = this.#batch.keySizes[this.#index] ?? -1
    return size < 0 ? null : new View(this.#batch.buffer, this.#batch.data[this.#index] ?? 0, size)
  }

  get value(): Buffer | null {
    const batch = this.#batch
    const size = batch.valueSizes[this.#index] ?? -1
    if (size < 0) return null
    const keySize = batch.keySizes[this.#index] ?? 0
    return new View(batch.buffer, (batch.data[this.#index] ?? 0) + (keySize < 0 ? 0 : keySize), size)
  }

  get headers(): readonly (readonly [string, Buffer | null])[] {
    const batch = this.#batch
    const size = batch.headerSizes[this.#index] ?? 0
    if (size === 0) return []
    const keySize = Math.max(batch.keySizes[this.#index] ?? 0, 0)
    const valueSize = Math.max(batch.valueSizes[this.#index] ?? 0, 0)
    return decodeHeaders(new View(batch.buffer, (batch.data[this.#index] ?? 0) + keySize + valueSize, size))
  }
}

function decodeHeaders(bytes: Buffer): (readonly [string, Buffer | null])[] {
  const headers: (readonly [string, Buffer | null])[] = []
  let at = 4
  for (let left = bytes.readUInt32LE(0); left > 0; left -= 1) {
    const nameSize = bytes.readUInt32LE(at)
    const valueSize = bytes.readInt32LE(at + 4)
    const name = bytes.toString('utf8', at + 8, at + 8 + nameSize)
    at += 8 + nameSize
    headers.push([name, valueSize < 0 ? null : bytes.subarray(at, at + valueSize)])
    at += Math.max(valueSize, 0)
  }
  return headers
}
