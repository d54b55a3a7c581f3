/**
 * Writes a contestant's ledger: a record of 16 bytes, little-endian, at the start and at the end of every handler, in the
 * order in which these happen: u32 key number, u32 sequence number within the key twice plus one at the end, u64 µs since
 * the epoch. Key and sequence number are the first eight bytes of a value, as laneway_c_produce lays it out.
 *
 * Records are appended, so several processes may share a file, where each is written at once.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Task } from './task.js'

export const RECORD_BYTES = 16
const BUFFER_BYTES = 4096 * RECORD_BYTES
const TWO_TO_32 = 2 ** 32

/** µs since the epoch. */
export const nowMicros = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000)

export class LedgerWriter {
  readonly #file: number
  readonly #buffer: Buffer
  #used = 0

  constructor(path: string, flush: Task['flush']) {
    this.#file = openSync(path, 'a')
    this.#buffer = Buffer.alloc(flush === 'each' ? RECORD_BYTES : BUFFER_BYTES)
  }

  /** The handler of the message with this value starts. */
  started(value: Buffer | null): void {
    this.#note(value, 0)
  }

  /** It has ended. */
  ended(value: Buffer | null): void {
    this.#note(value, 1)
  }

  close(): void {
    this.#flush()
    closeSync(this.#file)
  }

  #note(value: Buffer | null, ended: 0 | 1): void {
    if (value === null) throw new Error("a benchmark's message has a value")
    const buffer = this.#buffer
    const at = this.#used
    const micros = nowMicros()
    buffer.writeUInt32LE(value.readUInt32LE(0), at)
    buffer.writeUInt32LE(value.readUInt32LE(4) * 2 + ended, at + 4)
    buffer.writeUInt32LE(micros % TWO_TO_32, at + 8)
    buffer.writeUInt32LE(Math.floor(micros / TWO_TO_32), at + 12)
    this.#used = at + RECORD_BYTES
    if (this.#used === buffer.length) this.#flush()
  }

  #flush(): void {
    for (let at = 0; at < this.#used; ) at += writeSync(this.#file, this.#buffer, at, this.#used - at)
    this.#used = 0
  }
}
