/**
 * Parallel by key and in its order, as it is mostly written by hand: a map of promise chains, one for each key. What may be
 * committed is known either when a whole batch has ended, or from a low watermark.
 */
import type { PlainMessage } from '../messages.js'
import { SetWatermark } from './watermarks.js'

export type PlainHandler = (message: PlainMessage) => unknown

/** Committable offsets by partition. */
export type Committable = ReadonlyMap<number, number>

class Chains {
  readonly #chains = new Map<string, Promise<void>>()

  add(message: PlainMessage, work: (message: PlainMessage) => Promise<void>): void {
    const lane = `${message.partition}/${message.key}`
    const chain = (this.#chains.get(lane) ?? Promise.resolve()).then(() => work(message))
    this.#chains.set(lane, chain)
    void chain.then(() => {
      if (this.#chains.get(lane) === chain) this.#chains.delete(lane)
    })
  }

  async ended(): Promise<void> {
    await Promise.all(this.#chains.values())
  }
}

/** No message of a batch starts before all of the one before it have ended. */
export async function inBatches(
  messages: readonly PlainMessage[],
  size: number,
  handler: PlainHandler,
): Promise<Committable> {
  const committable = new Map<number, number>()
  for (let from = 0; from < messages.length; from += size) {
    const batch = messages.slice(from, from + size)
    const chains = new Chains()
    for (const message of batch) {
      chains.add(message, async (each) => {
        await handler(each)
      })
    }
    await chains.ended()
    for (const { partition, offset } of batch) committable.set(partition, offset + 1)
  }
  return committable
}

/** All messages at once; each is counted when it has ended. */
export async function withWatermarks(messages: readonly PlainMessage[], handler: PlainHandler): Promise<Committable> {
  const watermarks = new Map<number, SetWatermark>()
  const committable = new Map<number, number>()
  const chains = new Chains()
  for (const message of messages) {
    chains.add(message, async (each) => {
      await handler(each)
      const watermark = watermarks.get(each.partition) ?? new SetWatermark()
      watermarks.set(each.partition, watermark)
      committable.set(each.partition, watermark.settle([each.offset]))
    })
  }
  await chains.ended()
  return committable
}
