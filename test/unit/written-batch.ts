/** Writes batches as native code does (native/core/batch_layout.h), for tests that must not need native code. */

export interface WrittenMessage {
  readonly offset: number
  readonly timestamp?: number
  readonly key?: string | null
  readonly value?: string | null
  readonly headers?: readonly (readonly [string, string | null])[]
  readonly attempt?: number
  /** ms since the epoch. */
  readonly firstFailedAt?: number
  readonly slot?: number
}

export interface WrittenRun {
  readonly partition: number
  readonly messages: readonly WrittenMessage[]
}

const HEADER_BYTES = 24
const BYTES_PER_MESSAGE = 2 * 8 + 6 * 4

const bytesOf = (text: string | null | undefined): Buffer => Buffer.from(text ?? '')
const sizeOf = (text: string | null | undefined): number => (typeof text === 'string' ? Buffer.byteLength(text) : -1)

function encodeHeaders(headers: WrittenMessage['headers'] = []): Buffer {
  if (headers.length === 0) return Buffer.alloc(0)
  const count = Buffer.alloc(4)
  count.writeUInt32LE(headers.length)
  const parts = headers.flatMap(([name, value]) => {
    const sizes = Buffer.alloc(8)
    sizes.writeUInt32LE(Buffer.byteLength(name), 0)
    sizes.writeInt32LE(sizeOf(value), 4)
    return [sizes, Buffer.from(name), bytesOf(value)]
  })
  return Buffer.concat([count, ...parts])
}

/** The batch, in a buffer of its own. */
export function writeBatch(firstLease: number, runs: readonly WrittenRun[]): ArrayBuffer {
  const messages = runs.flatMap((run) => run.messages)
  const payloads = messages.map(({ key, value, headers }) => {
    return Buffer.concat([bytesOf(key), bytesOf(value), encodeHeaders(headers)])
  })
  const anyFailed = messages.some(({ firstFailedAt }) => firstFailedAt !== undefined)
  const bytesPerMessage = BYTES_PER_MESSAGE + (anyFailed ? 8 : 0)
  const columnsEnd = HEADER_BYTES + bytesPerMessage * messages.length + 4 * (runs.length + 1) + 4 * runs.length
  const total = columnsEnd + payloads.reduce((sum, payload) => sum + payload.length, 0)
  const buffer = new ArrayBuffer(total)
  const view = new DataView(buffer)
  let at = 0
  const u32 = (value: number) => {
    view.setUint32(at, value, true)
    at += 4
  }
  const i32 = (value: number) => {
    view.setInt32(at, value, true)
    at += 4
  }
  const f64 = (value: number) => {
    view.setFloat64(at, value, true)
    at += 8
  }
  u32(messages.length)
  u32(runs.length)
  f64(firstLease)
  u32(anyFailed ? 1 : 0)
  u32(0)
  for (const { offset } of messages) f64(offset)
  for (const { timestamp = -1 } of messages) f64(timestamp)
  if (anyFailed) for (const { firstFailedAt = -1 } of messages) f64(firstFailedAt)
  for (const { slot, offset } of messages) u32(slot ?? offset)
  let data = columnsEnd
  for (const payload of payloads) {
    u32(data)
    data += payload.length
  }
  for (const { key } of messages) i32(sizeOf(key))
  for (const { value } of messages) i32(sizeOf(value))
  for (const { headers } of messages) u32(encodeHeaders(headers).length)
  for (const { attempt = 1 } of messages) u32(attempt)
  let start = 0
  for (const run of runs) {
    u32(start)
    start += run.messages.length
  }
  u32(start)
  for (const run of runs) u32(run.partition)
  for (const payload of payloads) {
    new Uint8Array(buffer, at).set(payload)
    at += payload.length
  }
  return buffer
}
