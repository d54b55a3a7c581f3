/**
 * Attempts as executor/attempt.ts has them, each written into the table of its thread from its start to its end. Only
 * worker threads pay for that: on the main thread nobody outlives what runs.
 */

import type { LanewayError } from '../../errors.js'
import type { MessageBatch } from '../../message-batch.js'
import type { HandlerHost, Taker } from '../../ports/engine.js'
import { Attempt, BatchAttempt, LiveAttempts, type MessageOfBatch } from '../executor/attempt.js'
import type { AttemptTable } from './attempt-table.js'

class LoggedAttempt extends Attempt {
  readonly #table: AttemptTable
  readonly #row: number

  constructor(live: LiveAttempts, table: AttemptTable, batch: MessageBatch, index: number) {
    super(live, batch, index)
    this.#table = table
    this.#row = table.began(batch.firstLease + index, batch.slots[index] ?? 0)
  }

  override end(): LanewayError | undefined {
    this.#table.ended(this.#row)
    return super.end()
  }
}

class LoggedBatchAttempt extends BatchAttempt {
  readonly #table: AttemptTable
  readonly #rows: readonly number[]

  constructor(live: LiveAttempts, table: AttemptTable, entries: readonly MessageOfBatch[]) {
    super(live)
    this.#table = table
    this.#rows = entries.map(({ batch, index }) => table.began(batch.firstLease + index, batch.slots[index] ?? 0))
  }

  override end(): LanewayError | undefined {
    for (const row of this.#rows) this.#table.ended(row)
    return super.end()
  }
}

export class LoggedAttempts extends LiveAttempts {
  readonly #table: AttemptTable

  constructor(host: HandlerHost, taker: Taker, table: AttemptTable) {
    super(host, taker)
    this.#table = table
  }

  override begin(batch: MessageBatch, index: number): Attempt {
    return new LoggedAttempt(this, this.#table, batch, index)
  }

  override beginBatch(entries: readonly MessageOfBatch[]): BatchAttempt {
    return new LoggedBatchAttempt(this, this.#table, entries)
  }
}
