/**
 * What becomes of messages that failed on another thread. It decides and settles on the main thread, where the options are
 * functions of the user's, with the message as native code has it: it stays leased to its worker until then.
 */
import { LanewayError } from '../../errors.js'
import { MessageBatch } from '../../message-batch.js'
import type { EngineHost } from '../../ports/engine.js'
import { Settler } from '../settler.js'
import type { Lease } from './attempt-table.js'

export class Blame {
  readonly #host: EngineHost
  /** It never takes. */
  readonly #settler: Settler

  constructor(host: EngineHost) {
    this.#host = host
    this.#settler = new Settler(
      host,
      host.attach(() => undefined),
    )
  }

  /** An attempt has failed with this error. Where its lease is gone, nothing is to be done. */
  failed({ lease, slot }: Lease, error: unknown): void {
    const buffer = this.#settler.taker.read(lease, slot)
    if (buffer === null) return
    const batch = new MessageBatch(buffer)
    this.#settler.failed(error, batch, 0, this.#host.partition(batch.runPartitions[0] ?? 0))
    this.#settler.flush()
  }

  /** A worker ended while it ran these. */
  lost(ran: readonly Lease[], ward: number, why: string, cause: unknown): void {
    for (const lease of ran) {
      this.failed(
        lease,
        new LanewayError('WORKER_LOST', `${why} while it ran this message`, { cause, retriable: true }),
      )
    }
    this.#host.abandon(ward)
  }

  end(): void {
    this.#settler.taker.detach()
  }
}
