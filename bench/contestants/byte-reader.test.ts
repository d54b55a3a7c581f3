/** Every byte is read, wherever it lies. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader } from './byte-reader.js'

function sumOf(bytes: Buffer): number {
  const reader = new ByteReader()
  reader.read(bytes)
  return reader.sum
}

/** Read as bytes, and as words; no multiples of a word, as the length of a batch need not be. */
for (const size of [34, 303]) {
  test(`every byte of a message counts, and none beside it, of ${size}`, () => {
    const batch = Buffer.alloc(size)
    for (let start = 0; start < 8; start += 1) {
      for (let end = Math.max(start, batch.length - 34); end <= batch.length; end += 1) {
        const message = batch.subarray(start, end)
        for (let at = 0; at < batch.length; at += 1) {
          batch[at] = 1
          const isInside = at >= start && at < end
          assert.is(sumOf(message) !== 0, isInside, `byte ${at} of ${start} to ${end}`)
          batch[at] = 0
        }
      }
    }
  })
}

test('messages of several batches are read', () => {
  const reader = new ByteReader()
  reader.read(Buffer.from('\u0001'))
  reader.read(null)
  reader.read(Buffer.from(new Uint8Array([1, 0, 0, 0, 1]).buffer))
  assert.is(reader.sum, 3)
})

test.run()
