/** The messages that suites of this folder share: as they are produced, and as a Kafka client in plain JavaScript has them. */
import { Random } from '../../chaos/random.js'

export interface Shape {
  readonly messages: number
  readonly keys: number
  readonly partitions: number
  readonly valueBytes: number
  /** In each message. */
  readonly headers: number
}

/** A message as clients hand it over: an object with everything decoded. */
export interface PlainMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer
  readonly value: Buffer
  readonly headers: readonly (readonly [name: string, value: Buffer])[]
}

export const TOPIC = 'micro'

/** Keys drawn uniformly, each in a partition of its own choice; a value begins with the message's number. */
export function plainMessages({ messages, keys, partitions, valueBytes, headers }: Shape): PlainMessage[] {
  const random = new Random('micro', 'messages', messages, keys)
  const nextOffsets = new Array<number>(partitions).fill(0)
  return Array.from({ length: messages }, (_, number) => {
    const key = random.between(0, keys - 1)
    const partition = key % partitions
    const offset = nextOffsets[partition] ?? 0
    nextOffsets[partition] = offset + 1
    return {
      topic: TOPIC,
      partition,
      offset,
      timestamp: Date.UTC(2026, 0, 1) + number,
      key: bytesOf(`key-${key}`),
      value: bytesOf(`${number};`.padEnd(valueBytes, 'x')),
      headers: Array.from({ length: headers }, (_, header) => [`header-${header}`, bytesOf(`${number}`)] as const),
    }
  })
}

/** Not a slice of Buffer's pool: what is cloned of it is the message alone. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}
