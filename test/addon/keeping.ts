/**
 * Takes large batches again and again, keeps some of them, and says whether one of those has changed. As a worker thread it
 * ends with what it keeps.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { Taker } from 'laneway'
import { Settler } from '../../ts/engines/settler.js'
import { BatchMessage, type MessageBatch } from '../../ts/message-batch.js'
import { addon, Outcome } from '../../ts/native.js'
import { ScriptedHost } from '../unit/scripted-taker.js'

/** More than there are blocks that may be lent (native/addon/batch_memory.cc), also of what is kept. */
const TAKES = 300
const KEPT_EACH = 3
const COLLECTED_EACH = 20
export const VALUE_BYTES = 128 * 1024

/** What the value at this offset is full of. */
export const fillAt = (offset: number): number => (offset + 1) % 256

/** How many messages of the batches that were kept are not any more as they were produced; of how many. */
export async function takeAndKeep(taker: Taker): Promise<{ kept: number; changed: number }> {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const settler = new Settler(new ScriptedHost(() => undefined), taker)
  const batches: MessageBatch[] = []
  for (let taken = 0; taken < TAKES; ) {
    const batch = settler.take(2, 1 << 20)
    if (batch === undefined) {
      await nextTurn()
      continue
    }
    taken += 1
    for (let i = 0; i < batch.count; i += 1) settler.settle(batch, i, Outcome.Released)
    if (taken % KEPT_EACH === 0) batches.push(batch)
    if (taken % COLLECTED_EACH !== 0) continue
    collectGarbage()
    await nextTurn()
  }
  settler.flush()
  const messages = batches.flatMap(messagesOf)
  const changed = messages.filter(({ offset, value }) => !value?.equals(Buffer.alloc(VALUE_BYTES, fillAt(offset))))
  return { kept: messages.length, changed: changed.length }
}

function messagesOf(batch: MessageBatch): BatchMessage[] {
  return Array.from({ length: batch.count }, (_, i) => new BatchMessage(batch, i, { topic: '', partition: 0 }))
}

if (!isMainThread) {
  const { token, ward } = workerData as { readonly token: number; readonly ward: number }
  const { taker } = addon.attachTo(token, ward, () => undefined)
  parentPort?.postMessage(await takeAndKeep(taker))
}
