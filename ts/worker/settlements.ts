/**
 * What is settled and not told yet. All that is settled in one turn of the event loop shares one frame; outputs, which
 * may be large, are sent before they would make a frame of more than about a megabyte.
 */
import type { v1 } from '../contracts/worker-contract.js'

const MAX_FRAME_BYTES = 1024 * 1024

function bytesOf(output: v1.Output.$Properties): number {
  const headers = output.headers?.reduce((sum, { name, value }) => sum + (name?.length ?? 0) + (value?.length ?? 0), 0)
  return (output.key?.length ?? 0) + (output.value?.length ?? 0) + (headers ?? 0)
}

function sizeOf({ outputs, error }: v1.Settlement.$Properties): number {
  const text = (error?.message?.length ?? 0) + (error?.stack?.length ?? 0)
  return (outputs?.reduce((sum, output) => sum + bytesOf(output), 0) ?? 0) + text
}

export class PendingSettlements {
  readonly #send: (settlements: v1.Settlement.$Properties[]) => void
  #pending: v1.Settlement.$Properties[] = []
  #bytes = 0
  #immediate: NodeJS.Immediate | undefined

  constructor(send: (settlements: v1.Settlement.$Properties[]) => void) {
    this.#send = send
  }

  add(settlement: v1.Settlement.$Properties): void {
    this.#bytes += sizeOf(settlement)
    this.#pending.push(settlement)
    if (this.#bytes >= MAX_FRAME_BYTES) this.flush()
    else this.#immediate ??= setImmediate(() => this.flush())
  }

  flush(): void {
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    if (this.#pending.length === 0) return
    const settlements = this.#pending
    this.#pending = []
    this.#bytes = 0
    this.#send(settlements)
  }

  /** Nobody is there to be told. */
  discard(): void {
    clearImmediate(this.#immediate)
    this.#pending = []
  }
}
