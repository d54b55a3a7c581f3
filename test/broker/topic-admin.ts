/**
 * The little of Kafka's wire protocol that the fixture needs: is the broker answering, create a topic and wait until
 * every partition has a leader, configure it, delete it or the beginning of its log. Written by hand (CreateTopics v2,
 * DeleteTopics v1, DeleteRecords v0, IncrementalAlterConfigs v0, Metadata v1: fixed-width fields, no tags) because a
 * client library in the fixture would be the very thing under test, and Kafka's own tools take seconds per call. One
 * connection per call, every call has a deadline.
 */
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const METADATA = { key: 3, version: 1 } as const
const CREATE_TOPICS = { key: 19, version: 2 } as const
const DELETE_TOPICS = { key: 20, version: 1 } as const
const DELETE_RECORDS = { key: 21, version: 0 } as const
const INCREMENTAL_ALTER_CONFIGS = { key: 44, version: 0 } as const
const TOPIC_RESOURCE = 2
const SET = 0
const TOPIC_ALREADY_EXISTS = 36
const POLL_MS = 20

export interface TopicOptions {
  /** Default 1. */
  readonly partitions?: number
  /** Topic configuration, e.g. `{'cleanup.policy': 'compact'}`. */
  readonly config?: Readonly<Record<string, string | number>>
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

class RequestWriter {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    const part = Buffer.alloc(1)
    part.writeInt8(value)
    this.#parts.push(part)
    return this
  }

  int16(value: number): this {
    const part = Buffer.alloc(2)
    part.writeInt16BE(value)
    this.#parts.push(part)
    return this
  }

  int32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeInt32BE(value)
    this.#parts.push(part)
    return this
  }

  int64(value: number): this {
    const part = Buffer.alloc(8)
    part.writeBigInt64BE(BigInt(value))
    this.#parts.push(part)
    return this
  }

  string(value: string): this {
    const bytes = Buffer.from(value, 'utf8')
    this.int16(bytes.length)
    this.#parts.push(bytes)
    return this
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

class ResponseReader {
  #at = 0

  constructor(readonly bytes: Buffer) {}

  skip(count: number): void {
    this.#at += count
  }

  int16(): number {
    const value = this.bytes.readInt16BE(this.#at)
    this.#at += 2
    return value
  }

  int32(): number {
    const value = this.bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  /** A nullable string; null reads as ''. */
  string(): string {
    const length = this.int16()
    if (length < 0) return ''
    const value = this.bytes.toString('utf8', this.#at, this.#at + length)
    this.#at += length
    return value
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item)
  }
}

/** Sends one request and returns the body of its response, without the header. */
function call(
  { host, port }: Endpoint,
  api: { readonly key: number; readonly version: number },
  body: Buffer,
  deadlineMs: number,
): Promise<ResponseReader> {
  const header = new RequestWriter().int16(api.key).int16(api.version).int32(1).string('laneway-fixture').finish()
  const length = new RequestWriter().int32(header.length + body.length).finish()
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let received = 0
    const socket = connect({ host, port })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(deadlineMs, () => fail(new Error(`${host}:${port} did not answer within ${deadlineMs} ms`)))
    socket.on('error', fail)
    socket.on('close', () => fail(new Error(`${host}:${port} closed the connection before it answered`)))
    socket.on('connect', () => socket.write(Buffer.concat([length, header, body])))
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      received += chunk.length
      const bytes = Buffer.concat(chunks)
      if (received < 4 || received < 4 + bytes.readInt32BE(0)) return
      resolve(new ResponseReader(bytes.subarray(8)))
      socket.destroy()
    })
  })
}

interface ClusterView {
  readonly brokers: number
  /** Leaders by partition, of the one topic asked for; -1 where there is none. */
  readonly leaders: readonly number[]
}

async function metadata(endpoint: Endpoint, topics: readonly string[], deadlineMs: number): Promise<ClusterView> {
  const body = new RequestWriter().int32(topics.length)
  for (const topic of topics) body.string(topic)
  const response = await call(endpoint, METADATA, body.finish(), deadlineMs)
  const brokers = response.list(() => {
    response.skip(4)
    response.string()
    response.skip(4)
    response.string()
  })
  response.skip(4)
  const leaders = response.list(() => {
    response.skip(2)
    response.string()
    response.skip(1)
    return response.list(() => {
      response.skip(6)
      const leader = response.int32()
      response.list(() => response.int32())
      response.list(() => response.int32())
      return leader
    })
  })
  return { brokers: brokers.length, leaders: leaders.flat() }
}

/** True when a broker answers at `endpoint` and knows itself as a member of the cluster. */
export async function isAnswering(endpoint: Endpoint, deadlineMs: number): Promise<boolean> {
  try {
    return (await metadata(endpoint, [], deadlineMs)).brokers > 0
  } catch {
    return false // Refused, reset or silent: all mean "not yet" to the caller, who owns the deadline.
  }
}

/** Creates a topic with one replica; resolves when every partition has a leader. */
export async function createTopic(
  endpoint: Endpoint,
  name: string,
  { partitions = 1, config = {} }: TopicOptions,
  deadlineMs: number,
): Promise<void> {
  const giveUpAt = Date.now() + deadlineMs
  const settings = Object.entries(config)
  const body = new RequestWriter().int32(1).string(name).int32(partitions).int16(1).int32(0).int32(settings.length)
  for (const [key, value] of settings) body.string(key).string(String(value))
  const response = await call(endpoint, CREATE_TOPICS, body.int32(deadlineMs).int8(0).finish(), deadlineMs)
  response.skip(4)
  for (const { code, message } of response.list(() => {
    response.string()
    return { code: response.int16(), message: response.string() }
  })) {
    if (code === TOPIC_ALREADY_EXISTS) throw new Error(`topic ${name} already exists`)
    if (code !== 0) throw new Error(`topic ${name} could not be created: Kafka error ${code} ${message}`)
  }
  for (;;) {
    const { leaders } = await metadata(endpoint, [name], deadlineMs)
    if (leaders.length === partitions && leaders.every((leader) => leader >= 0)) return
    if (Date.now() > giveUpAt) throw new Error(`topic ${name} has no leader for every partition: ${leaders}`)
    await delay(POLL_MS)
  }
}

/** Deletes a topic. The broker removes its data a little later. */
export async function deleteTopic(endpoint: Endpoint, name: string, deadlineMs: number): Promise<void> {
  const body = new RequestWriter().int32(1).string(name).int32(deadlineMs).finish()
  const response = await call(endpoint, DELETE_TOPICS, body, deadlineMs)
  response.skip(4)
  for (const code of response.list(() => {
    response.string()
    return response.int16()
  })) {
    if (code !== 0) throw new Error(`topic ${name} could not be deleted: Kafka error ${code}`)
  }
}

/** Sets properties of a topic, also while it is in use. */
export async function configureTopic(
  endpoint: Endpoint,
  name: string,
  config: NonNullable<TopicOptions['config']>,
  deadlineMs: number,
): Promise<void> {
  const settings = Object.entries(config)
  const body = new RequestWriter().int32(1).int8(TOPIC_RESOURCE).string(name).int32(settings.length)
  for (const [key, value] of settings) body.string(key).int8(SET).string(String(value))
  const response = await call(endpoint, INCREMENTAL_ALTER_CONFIGS, body.int8(0).finish(), deadlineMs)
  response.skip(4)
  for (const { code, message } of response.list(() => {
    const refusal = { code: response.int16(), message: response.string() }
    response.skip(1)
    response.string()
    return refusal
  })) {
    if (code !== 0) throw new Error(`topic ${name} could not be configured: Kafka error ${code} ${message}`)
  }
}

/** Deletes the records of a partition below an offset: its log then starts there. */
export async function deleteRecords(
  endpoint: Endpoint,
  { topic, partition, before }: { readonly topic: string; readonly partition: number; readonly before: number },
  deadlineMs: number,
): Promise<void> {
  const body = new RequestWriter().int32(1).string(topic).int32(1).int32(partition).int64(before).int32(deadlineMs)
  const response = await call(endpoint, DELETE_RECORDS, body.finish(), deadlineMs)
  response.skip(4)
  const codes = response.list(() => {
    response.string()
    return response.list(() => {
      response.skip(4 + 8)
      return response.int16()
    })
  })
  for (const code of codes.flat()) {
    if (code !== 0) throw new Error(`${topic} [${partition}] could not be shortened: Kafka error ${code}`)
  }
}
