/**
 * Reads every byte of what it is given, as 32-bit words where these are aligned and as single bytes before and after them:
 * a loop over bytes would measure itself. What was read is summed, so that no read can be optimised away.
 */
export class ByteReader {
  #buffer: ArrayBufferLike = new ArrayBuffer(0)
  #words = new Int32Array(this.#buffer)
  #sum = 0

  get sum(): number {
    return this.#sum
  }

  read(bytes: Buffer | null): void {
    if (bytes === null) return
    const { buffer, byteOffset, length } = bytes
    // Messages of one batch mostly lie in one buffer, and making a view costs more than reading a small message.
    if (this.#buffer !== buffer) {
      this.#buffer = buffer
      this.#words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
    }
    const words = this.#words
    const firstWord = (byteOffset + 3) >> 2
    const endWord = (byteOffset + length) >> 2
    const head = Math.min(firstWord * 4 - byteOffset, length)
    const tail = Math.max(endWord * 4 - byteOffset, head)
    let sum = this.#sum
    for (let i = 0; i < head; i += 1) sum = (sum + (bytes[i] ?? 0)) | 0
    for (let i = firstWord; i < endWord; i += 1) sum = (sum + (words[i] ?? 0)) | 0
    for (let i = tail; i < length; i += 1) sum = (sum + (bytes[i] ?? 0)) | 0
    this.#sum = sum
  }
}
