/**
 * What is settled of a partition, as it is mostly written by hand: a low watermark, and what was settled above it in a set
 * or in a sorted array.
 */

export interface Watermark {
  /** @returns the lowest offset that is not settled */
  settle(offsets: Iterable<number>): number
  /** Unsettled offsets below the highest settled one, ascending. */
  gaps(): number[]
}

export class SetWatermark implements Watermark {
  readonly #above = new Set<number>()
  #lowest = 0
  #highest = -1

  settle(offsets: Iterable<number>): number {
    for (const offset of offsets) {
      this.#above.add(offset)
      if (offset > this.#highest) this.#highest = offset
    }
    while (this.#above.delete(this.#lowest)) this.#lowest += 1
    return this.#lowest
  }

  gaps(): number[] {
    const gaps: number[] = []
    for (let offset = this.#lowest; offset < this.#highest; offset += 1) if (!this.#above.has(offset)) gaps.push(offset)
    return gaps
  }
}

export class SortedWatermark implements Watermark {
  readonly #above: number[] = []
  #lowest = 0

  settle(offsets: Iterable<number>): number {
    for (const offset of offsets) this.#insert(offset)
    let ended = 0
    while (this.#above[ended] === this.#lowest + ended) ended += 1
    this.#above.splice(0, ended)
    this.#lowest += ended
    return this.#lowest
  }

  gaps(): number[] {
    const gaps: number[] = []
    let next = this.#lowest
    for (const settled of this.#above) {
      for (; next < settled; next += 1) gaps.push(next)
      next = settled + 1
    }
    return gaps
  }

  #insert(offset: number): void {
    let from = 0
    let to = this.#above.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#above[middle] ?? 0) < offset) from = middle + 1
      else to = middle
    }
    this.#above.splice(from, 0, offset)
  }
}
