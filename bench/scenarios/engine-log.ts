/** What the handlers of the engines scenario noted: a line of text for each message, whatever language they are in. */
import { readFile } from 'node:fs/promises'
import { WARM_UP_KEY } from '../contestants/engine/order.js'

export interface EngineLog {
  readonly messages: number
  /** Messages that do not come after the last one of their key; one that is seen twice is one of them. */
  readonly inversions: number
  /** ms from when a message was due to the start of its handler. */
  readonly delays: readonly number[]
}

export async function readEngineLog(file: string): Promise<EngineLog> {
  const lastOffsets = new Map<string, number>()
  const delays: number[] = []
  let inversions = 0
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const [partition, offset, key, late] = line.split(' ')
    if (late === undefined || key === WARM_UP_KEY) continue
    const lane = `${partition} ${key}`
    if (Number(offset) <= (lastOffsets.get(lane) ?? -1)) inversions += 1
    else lastOffsets.set(lane, Number(offset))
    delays.push(Number(late) / 1000)
  }
  return { messages: delays.length, inversions, delays }
}
