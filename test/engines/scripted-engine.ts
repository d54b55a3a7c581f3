/** An engine on the contract with a host that is scripted, listening on a Unix socket of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RemoteWorkersEngine, type RemoteWorkersOptions, remoteWorkers } from 'laneway'
import { ScriptedHost } from '../unit/scripted-taker.js'

const CAPACITY = 1_000

export class ScriptedEngine implements AsyncDisposable {
  readonly host: ScriptedHost
  readonly engine: RemoteWorkersEngine
  readonly #folder: string

  private constructor(host: ScriptedHost, engine: RemoteWorkersEngine, folder: string) {
    this.host = host
    this.engine = engine
    this.#folder = folder
  }

  static async start(
    options: Partial<RemoteWorkersOptions> = {},
    setUp: (host: ScriptedHost) => void = () => undefined,
  ): Promise<ScriptedEngine> {
    const folder = mkdtempSync(join(tmpdir(), 'laneway-test-'))
    const host = new ScriptedHost(() => undefined, CAPACITY)
    setUp(host)
    const engine = remoteWorkers({ listen: `unix:${join(folder, 'workers')}`, ...options })
    await engine.start(host)
    return new ScriptedEngine(host, engine, folder)
  }

  get address(): string {
    return this.engine.address ?? ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop('abort', 0)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
