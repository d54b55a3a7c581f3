/** Time, CPU and memory of a contestant in Node, from the moment at which it is made: right before `subscribe`. */
import type { Result } from './task.js'

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

  /** Until now. */
  result(messages: number, versions: Result['versions']): Result {
    const now = performance.now()
    return {
      messages,
      seconds: (now - this.#startedAt) / 1000,
      firstMessageSeconds: ((this.#firstMessageAt ?? now) - this.#startedAt) / 1000,
      cpuSeconds: cpuSeconds() - this.#cpuAtStart,
      maxRssKib: process.resourceUsage().maxRSS,
      versions,
    }
  }
}
