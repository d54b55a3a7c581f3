/**
 * What a worker thread runs, written down in memory that outlives it: the lease and the slot of each attempt between its
 * start and its end. The main thread reads it when the worker is gone, so that what ran then counts as failed.
 *
 * One thread writes, and the other reads after the first has ended, so that nothing needs an atomic. Rows are reused, the
 * last one first: synchronous handlers write to one row only. There are as many as attempts run at once.
 */

const ROWS_PER_BLOCK = 1024

/** The columns of some rows. */
class Block {
  /** 0: the row is free. */
  readonly leases: Float64Array
  readonly slots: Uint32Array

  constructor(memory: SharedArrayBuffer) {
    this.leases = new Float64Array(memory, 0, ROWS_PER_BLOCK)
    this.slots = new Uint32Array(memory, 8 * ROWS_PER_BLOCK, ROWS_PER_BLOCK)
  }
}

/** The worker's side. */
export class AttemptTable {
  readonly #blocks: Block[] = []
  readonly #free: number[] = []
  readonly #grown: (memory: SharedArrayBuffer) => void
  #running = 0

  /** @param grown is given each block before anything is written to it */
  constructor(grown: (memory: SharedArrayBuffer) => void) {
    this.#grown = grown
  }

  /** Attempts that have begun and not ended. */
  get running(): number {
    return this.#running
  }

  /** The row that {@link ended} needs. */
  began(lease: number, slot: number): number {
    const row = this.#free.pop() ?? this.#grow()
    const block = this.#blockOf(row)
    block.slots[row % ROWS_PER_BLOCK] = slot
    block.leases[row % ROWS_PER_BLOCK] = lease
    this.#running += 1
    return row
  }

  ended(row: number): void {
    this.#blockOf(row).leases[row % ROWS_PER_BLOCK] = 0
    this.#free.push(row)
    this.#running -= 1
  }

  #blockOf(row: number): Block {
    return this.#blocks[Math.floor(row / ROWS_PER_BLOCK)] as Block
  }

  #grow(): number {
    const memory = new SharedArrayBuffer(12 * ROWS_PER_BLOCK)
    const first = this.#blocks.length * ROWS_PER_BLOCK
    this.#blocks.push(new Block(memory))
    this.#grown(memory)
    for (let row = first + ROWS_PER_BLOCK - 1; row > first; row -= 1) this.#free.push(row)
    return first
  }
}

/** A leased message, as native code knows it. */
export interface Lease {
  readonly lease: number
  readonly slot: number
}

/**
 * What was running when the writer of these blocks ended; of one lane, the last message first: an attempt that failed
 * gives back what is leased after it, and what ran there is an attempt of its own.
 */
export function whatRan(blocks: readonly SharedArrayBuffer[]): Lease[] {
  const found: Lease[] = []
  for (const { leases, slots } of blocks.map((memory) => new Block(memory))) {
    for (const [row, lease] of leases.entries()) {
      if (lease !== 0) found.push({ lease, slot: slots[row] ?? 0 })
    }
  }
  return found.sort((a, b) => b.lease - a.lease)
}
