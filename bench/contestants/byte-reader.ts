/**
 * Reads every byte of what it is given, as 32-bit words where these are aligned and as single bytes before and after them:
 * a loop over bytes would measure itself. What was read is summed, so that no read can be optimised away.
 */
export class ByteReader {
  #words: Int32Array = new Int32Array(0)
  #sum = 0

  get sum(): number {
    return this.#sum
  }

  read(bytes: Buffer | null): void {
    if (bytes === null) return
    // Messages of one batch mostly lie in one buffer, and making a view costs more than reading a small message.
    if (this.#words.buffer !== bytes.buffer) this.#words = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2)
    const words = this.#words
    const firstWord = (bytes.byteOffset + 3) >> 2
    const endWord = Math.max((bytes.byteOffset + bytes.length) >> 2, firstWord)
    const head = Math.min(firstWord * 4 - bytes.byteOffset, bytes.length)
    const tail = Math.max(endWord * 4 - bytes.byteOffset, head)
    let sum = this.#sum
    for (let i = 0; i < head; i += 1) sum = (sum + (bytes[i] ?? 0)) | 0
    for (let i = firstWord; i < endWord; i += 1) sum = (sum + (words[i] ?? 0)) | 0
    for (let i = tail; i < bytes.length; i += 1) sum = (sum + (bytes[i] ?? 0)) | 0
    this.#sum = sum
  }
}
