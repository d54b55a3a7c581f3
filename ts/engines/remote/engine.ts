/** The workers of one engine together with the server that they dial: what the engines on the contract start and stop. */
import { LanewayError } from '../../errors.js'
import type { ListenerOptions } from '../../net/listener.js'
import type { EngineHost, StopMode } from '../../ports/engine.js'
import type { Place } from '../settler.js'
import type { Admit } from './admission.js'
import type { WorkerLimits } from './limits.js'
import { WorkerServer } from './server.js'
import { Workers } from './workers.js'

export type Listening = Pick<ListenerOptions, 'address' | 'tls'>

export class RemoteEngine {
  readonly #workers: Workers
  readonly #server: WorkerServer

  private constructor(workers: Workers, server: WorkerServer) {
    this.#workers = workers
    this.#server = server
  }

  /** @throws LanewayError `LISTEN_FAILED`, and `CONFIG_INVALID` for batches */
  static async start(
    host: EngineHost,
    limits: WorkerLimits,
    admit: Admit,
    listening: Listening,
  ): Promise<RemoteEngine> {
    if (host.batches !== undefined) {
      const message = 'workers handle messages one by one: use run()'
      throw new LanewayError('CONFIG_INVALID', `runBatches(): ${message}`, { issues: [{ field: 'engine', message }] })
    }
    const workers = new Workers(host, limits)
    try {
      return new RemoteEngine(workers, await WorkerServer.listen(workers, admit, listening, host.logger))
    } catch (error) {
      await workers.stop('abort', 0)
      throw error
    }
  }

  get address(): string {
    return this.#server.address
  }

  /** Something is leased. */
  get isBusy(): boolean {
    return this.#workers.isBusy
  }

  fence(partitions: readonly Place[]): void {
    this.#workers.fence(partitions)
  }

  /** `drain`: workers settle what they run; `abort`: every stream and every connection ends. */
  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    await this.#workers.stop(mode, deadlineMs)
    if (mode === 'abort') await this.#server.close()
  }
}
