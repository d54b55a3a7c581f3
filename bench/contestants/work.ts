/** What the handler of a contestant in Node does for a message, as the task says. */
import type { Work } from './task.js'

/** As every client in Node hands messages over. */
export interface BenchMessage {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** Sums 32-bit words, and single bytes before and after them: a loop over bytes would measure itself. */
class ByteReader {
  #words: Int32Array = new Int32Array(0)
  #sum = 0

  /** Every byte read so far is in it, so that no read can be optimised away. */
  get sum(): number {
    return this.#sum
  }

  read(bytes: Buffer | null): void {
    if (bytes === null) return
    // Messages of one batch mostly lie in one buffer, and making a view costs more than reading a small message.
    if (this.#words.buffer !== bytes.buffer) this.#words = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2)
    const words = this.#words
    const end = bytes.byteOffset + bytes.length
    const firstWord = (bytes.byteOffset + 3) >> 2
    const endWord = Math.max(end >> 2, firstWord)
    const head = Math.min(firstWord * 4 - bytes.byteOffset, bytes.length)
    const tail = Math.max(endWord * 4 - bytes.byteOffset, head)
    let sum = this.#sum
    for (let i = 0; i < head; i += 1) sum = (sum + (bytes[i] ?? 0)) | 0
    for (let i = firstWord; i < endWord; i += 1) sum = (sum + (words[i] ?? 0)) | 0
    for (let i = tail; i < bytes.length; i += 1) sum = (sum + (bytes[i] ?? 0)) | 0
    this.#sum = sum
  }
}

function toucher(): (message: BenchMessage) => void {
  const reader = new ByteReader()
  process.once('exit', () => void reader.sum)
  return ({ key, value }) => {
    reader.read(key)
    reader.read(value)
  }
}

function spin(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** The first four bytes of a value are the number of the message's key. */
function staller(keys: number): (message: BenchMessage) => void | Promise<void> {
  return ({ value }) => (value !== null && value.readUInt32LE(0) < keys ? new Promise(() => undefined) : undefined)
}

/** Undefined where there is nothing to do. Only waiting and stalling are asynchronous. */
export function workOf(work: Work): ((message: BenchMessage) => void | Promise<void>) | undefined {
  switch (work.kind) {
    case 'none':
      return undefined
    case 'touch':
      return toucher()
    case 'spin':
      return () => spin(work.micros / 1000)
    case 'wait':
      return () => new Promise<void>((resolve) => void setTimeout(resolve, work.micros / 1000))
    case 'stall':
      return staller(work.keys)
  }
}
