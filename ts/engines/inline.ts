/**
 * The inline engine: runs handlers on the thread that called `run()` or `runBatches()`.
 *
 * What it does with messages is in the folder `executor`: attempts with their signals and timeouts, settlements, and an
 * executor each for single messages and for batches. It must not decide what becomes of a failed message: the host does.
 */
import { LanewayError } from '../errors.js'
import type { Engine, EngineHost, StopMode } from '../ports/engine.js'
import { BatchExecutor } from './executor/batches.js'
import type { Executor } from './executor/executor.js'
import { MessageExecutor } from './executor/messages.js'

class InlineEngine implements Engine {
  #executor: Executor | undefined

  start(host: EngineHost): void {
    if (this.#executor !== undefined) throw new LanewayError('ALREADY_RUNNING', 'an engine serves one consumer, once')
    this.#executor = host.batches === undefined ? new MessageExecutor(host) : new BatchExecutor(host, host.batches)
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    await this.#executor?.stop(mode, deadlineMs)
  }

  fence(partitions: Parameters<NonNullable<Engine['fence']>>[0]): void {
    this.#executor?.fences.raise(partitions)
  }
}

/** Runs handlers on the main thread, `concurrency` lanes at once where they are asynchronous. The default engine. */
export function inline(): Engine {
  return new InlineEngine()
}
