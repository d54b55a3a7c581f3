/** The latest latencies of something, and their percentiles. */

const KEPT = 500

/**
 * @param {readonly number[]} values
 * @param {number} part 0 to 1
 * @returns {number} NaN where there are none
 */
export function percentile(values, part) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(Math.floor(part * sorted.length), sorted.length - 1)] ?? Number.NaN
}

export class Latencies {
  /** @type {number[]} */
  #latest = []
  #next = 0

  /** @param {number} ms */
  add(ms) {
    this.#latest[this.#next] = ms
    this.#next = (this.#next + 1) % KEPT
  }

  get count() {
    return this.#latest.length
  }

  /** @param {number} part 0 to 1 */
  at(part) {
    return percentile(this.#latest, part)
  }
}
