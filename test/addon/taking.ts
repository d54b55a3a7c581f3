/**
 * A worker thread that attaches to a consumer by its token and takes. It settles a batch two takes later, so that it holds
 * leases at nearly any moment, tells one lease of each batch, and ends when it is told to: 'exit' or 'throw'.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Settler } from '../../ts/engines/settler.js'
import type { MessageBatch } from '../../ts/message-batch.js'
import { addon, Outcome } from '../../ts/native.js'
import { ScriptedHost } from '../unit/scripted-taker.js'

const HELD_BATCHES = 2

const { token, ward } = workerData as { readonly token: number; readonly ward: number }
const { taker } = addon.attachTo(token, ward, () => setImmediate(turn))
const settler = new Settler(new ScriptedHost(() => undefined), taker)
const held: MessageBatch[] = []

function settleOldest(): void {
  const batch = held.shift()
  for (let i = 0; i < (batch?.count ?? 0); i += 1) settler.settle(batch as MessageBatch, i, Outcome.Completed)
}

function turn(): void {
  const batch = settler.take(16, 1 << 20)
  if (batch === undefined) {
    while (held.length > 0) settleOldest()
    settler.flush()
    return
  }
  parentPort?.postMessage({ lease: batch.firstLease, slot: batch.slots[0] })
  held.push(batch)
  if (held.length > HELD_BATCHES) settleOldest()
  setImmediate(turn)
}

parentPort?.on('message', (ending: 'exit' | 'throw') => {
  if (ending === 'exit') process.exit()
  throw new Error('told to end')
})
turn()
