/**
 * A producer that has sent offsets of a group in a transaction and is gone before it ended, as a crash leaves it. Written
 * by hand on the wire (the oldest versions, with fixed-width fields): laneway's own producer always ends its transactions.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../broker/broker.js'

const FIND_COORDINATOR = { key: 10, version: 1 } as const
const INIT_PRODUCER_ID = { key: 22, version: 0 } as const
const ADD_OFFSETS_TO_TXN = { key: 25, version: 0 } as const
const END_TXN = { key: 26, version: 0 } as const
const TXN_OFFSET_COMMIT = { key: 28, version: 0 } as const

/** The coordinator is being elected or loads, or the transaction before this one is being ended. */
const COME_AGAIN: readonly number[] = [14, 15, 16, 51]
const DEADLINE_MS = 30_000
const PAUSE_MS = 50

function int8(value: number): Buffer {
  return Buffer.from([value])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}

function string(text: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)])
}

/** Sends one request on a connection of its own; gives what follows the header of the response. */
function call(broker: Broker, api: { key: number; version: number }, body: readonly Buffer[]): Promise<Buffer> {
  const [host = '', port] = broker.bootstrapServers.split(':')
  const request = Buffer.concat([int16(api.key), int16(api.version), int32(1), string('crashed'), ...body])
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ host, port: Number(port) })
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`no answer to request ${api.key}`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`no whole answer to request ${api.key}`)))
    socket.on('connect', () => socket.write(Buffer.concat([int32(request.length), request])))
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      if (bytes.length < 4 || bytes.length < 4 + bytes.readInt32BE(0)) return
      resolve(bytes.subarray(8))
      socket.destroy()
    })
  })
}

/** The same until the coordinator is there; `errorAt` is where the error stands in the answer. */
async function ask(
  broker: Broker,
  api: { key: number; version: number },
  body: readonly Buffer[],
  errorAt = 4,
): Promise<Buffer> {
  for (const giveUpAt = performance.now() + DEADLINE_MS; ; await sleep(PAUSE_MS)) {
    const answer = await call(broker, api, body)
    const error = answer.readInt16BE(errorAt)
    if (error === 0) return answer
    if (!COME_AGAIN.includes(error) || performance.now() > giveUpAt) {
      throw new Error(`request ${api.key} failed with Kafka error ${error}`)
    }
  }
}

export interface OpenTransaction {
  abort(): Promise<void>
}

export interface SentOffset {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Leaves a transaction open in which an offset of a group has been sent. */
export async function openTransaction(broker: Broker, sent: SentOffset): Promise<OpenTransaction> {
  const id = `transaction of ${sent.group}`
  await ask(broker, FIND_COORDINATOR, [string(id), int8(1)])
  const made = await ask(broker, INIT_PRODUCER_ID, [string(id), int32(60_000)])
  const producer = [int64(made.readBigInt64BE(6)), int16(made.readInt16BE(14))]
  await ask(broker, ADD_OFFSETS_TO_TXN, [string(id), ...producer, string(sent.group)])
  const partition = [int32(sent.partition), int64(BigInt(sent.offset)), string('')]
  const topics = [int32(1), string(sent.topic), int32(1), ...partition]
  // Its answer begins with the topic and the partition.
  const errorAt = 4 + 4 + 2 + Buffer.byteLength(sent.topic) + 4 + 4
  await ask(broker, TXN_OFFSET_COMMIT, [string(id), string(sent.group), ...producer, ...topics], errorAt)
  return {
    abort: async () => {
      await ask(broker, END_TXN, [string(id), ...producer, int8(0)])
    },
  }
}
