/**
 * Adds up what test runners report and prints the one closing line that every script of this folder ends with:
 * `N passed, N failed` (and `, N skipped`). A runner that ends without a report counts as one failure.
 */

/**
 * @typedef {object} Count
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

export class Tally {
  /** @type {Count} */
  #total = { passed: 0, failed: 0, skipped: 0 }
  #startedAt = performance.now()
  /** @type {string[]} */
  #remarks = []

  /**
   * Runs one runner and adds what it reports.
   * @param {string} title
   * @param {() => Count | Promise<Count>} runner
   */
  async add(title, runner) {
    process.stdout.write(`\n== ${title} ...\n`)
    const startedAt = performance.now()
    const count = await runner()
    this.#total.passed += count.passed
    this.#total.failed += count.failed
    this.#total.skipped += count.skipped
    process.stdout.write(`== ${title}: ${describe(count)} (${seconds(startedAt)} s)\n`)
  }

  /**
   * Is said at the end, before the closing line.
   * @param {string} text
   */
  remark(text) {
    this.#remarks.push(text)
  }

  /** Prints the closing line; the process's exit code says whether all passed. Nothing run is a failure too. */
  close() {
    const { passed, failed } = this.#total
    if (failed > 0 || passed === 0) process.exitCode = 1
    process.stdout.write(this.#remarks.map((remark) => `\n${remark}`).join(''))
    process.stdout.write(`\n${seconds(this.#startedAt)} s\n${describe(this.#total)}\n`)
  }
}

/**
 * A runner that has no count of its own: passed or failed as a whole.
 * @param {boolean} isGood
 * @returns {Count}
 */
export function asOne(isGood) {
  return { passed: isGood ? 1 : 0, failed: isGood ? 0 : 1, skipped: 0 }
}

/**
 * @param {Count} count
 * @returns {string}
 */
function describe({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** @param {number} startedAt */
function seconds(startedAt) {
  return ((performance.now() - startedAt) / 1000).toFixed(1)
}
