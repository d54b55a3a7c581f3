/**
 * When a worker thread has done enough to be replaced by a fresh one: after so many messages, or when so much of its heap is
 * in use. The heap is looked at after full collections only: before one, most of it may be garbage.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { ThreadSetup } from './thread-messages.js'

/** Of a garbage collection. */
interface Collection {
  readonly detail?: { readonly kind?: number }
}

const isFull = (entry: Collection): boolean => entry.detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR

export class Wear {
  readonly #limits: ThreadSetup['recycle']
  readonly #tell: () => void
  #messages = 0
  #isTold = false

  /** @param tell is called once */
  constructor(limits: ThreadSetup['recycle'], tell: () => void) {
    this.#limits = limits
    this.#tell = tell
    if (Number.isFinite(limits.heapBytes)) this.#watchCollections()
  }

  took(messages: number): void {
    this.#messages += messages
    if (this.#messages >= this.#limits.messages) this.#worn()
  }

  #watchCollections(): void {
    const observer = new PerformanceObserver((list) => {
      if (!list.getEntries().some((entry) => isFull(entry as Collection))) return
      if (getHeapStatistics().used_heap_size >= this.#limits.heapBytes) this.#worn()
    })
    observer.observe({ entryTypes: ['gc'] })
  }

  #worn(): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#tell()
  }
}
