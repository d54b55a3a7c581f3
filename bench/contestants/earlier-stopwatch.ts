/**
 * Time, CPU and order of one run inside a Node contestant. Counting is the only work per message; the order of keys
 * is checked in a run whose figures do not count, because looking at a key costs as much as the whole delivery.
 */
import type { Result } from './earlier-task.js'

function cpuSeconds(): number {
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  return (userCPUTime + systemCPUTime) / 1e6
}

export class Stopwatch {
  readonly #startedAt = performance.now()
  readonly #cpuAtStart = cpuSeconds()
  #firstMessageAt: number | undefined

  firstMessage(): void {
    this.#firstMessageAt ??= performance.now()
  }

  finish(messages: number, inversions: number): Result {
    const now = performance.now()
    return {
      messages,
      seconds: (now - this.#startedAt) / 1000,
      firstMessageSeconds: ((this.#firstMessageAt ?? now) - this.#startedAt) / 1000,
      cpuSeconds: cpuSeconds() - this.#cpuAtStart,
      maxRssKib: process.resourceUsage().maxRSS,
      inversions,
    }
  }
}

/** Counts messages that do not come after the last one of their key; a message seen twice is one of them. */
export class KeyOrder {
  readonly #lastOffsets = new Map<string, number>()
  inversions = 0

  saw(key: string, offset: number): void {
    if (offset <= (this.#lastOffsets.get(key) ?? -1)) this.inversions += 1
    else this.#lastOffsets.set(key, offset)
  }
}
