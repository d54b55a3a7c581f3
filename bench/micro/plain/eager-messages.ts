/** A batch of native code turned into objects with everything decoded, as most clients hand messages over. */
import { MessageBatch, type PartitionName } from '../../../ts/message-batch.js'
import type { Message } from '../../../ts/ports/engine.js'

export function decodeAll(buffer: ArrayBuffer, nameOf: PartitionName): Message[] {
  const batch = new MessageBatch(buffer)
  const messages: Message[] = []
  for (let run = 0; run < batch.runs; run += 1) {
    const { topic, partition } = nameOf(batch.runPartitions[run] ?? 0)
    const end = batch.runStarts[run + 1] ?? 0
    for (let index = batch.runStarts[run] ?? 0; index < end; index += 1) {
      const keySize = batch.keySizes[index] ?? -1
      const valueSize = batch.valueSizes[index] ?? -1
      const valueAt = (batch.data[index] ?? 0) + Math.max(keySize, 0)
      const headersAt = valueAt + Math.max(valueSize, 0)
      messages.push({
        topic,
        partition,
        offset: batch.offsets[index] ?? -1,
        timestamp: batch.timestamps[index] ?? -1,
        key: keySize < 0 ? null : Buffer.from(buffer, batch.data[index], keySize),
        value: valueSize < 0 ? null : Buffer.from(buffer, valueAt, valueSize),
        headers: decodeHeaders(Buffer.from(buffer, headersAt, batch.headerSizes[index])),
      })
    }
  }
  return messages
}

function decodeHeaders(bytes: Buffer): (readonly [string, Buffer | null])[] {
  const headers: (readonly [string, Buffer | null])[] = []
  if (bytes.length === 0) return headers
  let at = 4
  for (let left = bytes.readUInt32LE(0); left > 0; left -= 1) {
    const nameEnd = at + 8 + bytes.readUInt32LE(at)
    const valueSize = bytes.readInt32LE(at + 4)
    const name = bytes.toString('utf8', at + 8, nameEnd)
    headers.push([name, valueSize < 0 ? null : bytes.subarray(nameEnd, nameEnd + valueSize)])
    at = nameEnd + Math.max(valueSize, 0)
  }
  return headers
}
