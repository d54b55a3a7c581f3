/** The workers of one engine together with the server that they dial: what the engines on the contract start and stop. */
import type { EngineHost, StopMode } from '../../ports/engine.js'
import type { Place } from '../settler.js'
import type { Admit } from './admission.js'
import type { WorkerLimits } from './limits.js'
import type { ListenerOptions } from './listener.js'
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

  /** @throws LanewayError `LISTEN_FAILED` */
  static async start(
    host: EngineHost,
    limits: WorkerLimits,
    admit: Admit,
    listening: Listening,
  ): Promise<RemoteEngine> {
    const workers = new Workers(host, limits)
    return new RemoteEngine(workers, await WorkerServer.listen(workers, admit, listening))
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
