/** What the handler of a contestant in Node does for a message, as the task says. */
import { ByteReader } from './byte-reader.js'
import type { Work } from './task.js'

/** As every client in Node hands messages over. */
export interface BenchMessage {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

function toucher(): (message: BenchMessage) => void {
  const reader = new ByteReader()
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
