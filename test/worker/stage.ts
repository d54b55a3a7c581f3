/** A scripted host and workers of `laneway/worker` in the test's own process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerCredentials } from '@grpc/grpc-js'
import { type Logger, Worker, type WorkerOptions } from 'laneway/worker'
import { ScriptedHost, type ScriptedSession } from '../worker-conformance/scripted-host.js'

/** The reason of a worker's end: what run() rejected with, or undefined. */
export type Ending = Promise<unknown>

export class Stage implements AsyncDisposable {
  readonly host: ScriptedHost
  readonly warnings: string[] = []
  readonly #firstWarning = new Moment()
  readonly #folder: string
  readonly #workers: Worker[] = []
  readonly #endings: Ending[] = []

  private constructor(host: ScriptedHost, folder: string) {
    this.host = host
    this.#folder = folder
  }

  /** @param credentials of a host on loopback; default: one in plain text on a Unix socket */
  static async open(credentials?: ServerCredentials): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), 'laneway-worker-'))
    const address = credentials === undefined ? `unix:${join(folder, 'host.sock')}` : '127.0.0.1:0'
    const host = await ScriptedHost.listen(address, credentials === undefined ? {} : { credentials })
    return new Stage(host, folder)
  }

  /** Where nobody listens. */
  get deserted(): string {
    return `unix:${join(this.#folder, 'nobody.sock')}`
  }

  /** Resolves when a worker has warned of something. */
  async warned(): Promise<void> {
    await this.#firstWarning.came
  }

  /** A worker that runs until the stage is left; its one handler, `obey`, does nothing where a test does not say. */
  start(options: Partial<WorkerOptions> = {}): { readonly worker: Worker; readonly ending: Ending } {
    const worker = new Worker({
      handlers: { obey: () => undefined },
      address: this.host.address,
      drainOn: [],
      reconnect: { initial: 1, max: 10 },
      logger: this.#logger(),
      ...options,
    })
    const ending = worker.run().then(
      () => undefined,
      (error: unknown) => error,
    )
    this.#workers.push(worker)
    this.#endings.push(ending)
    return { worker, ending }
  }

  /** The same, with its session, which has begun. */
  async connected(
    options?: Partial<WorkerOptions>,
  ): Promise<{ readonly worker: Worker; readonly ending: Ending; readonly session: ScriptedSession }> {
    const started = this.start(options)
    return { ...started, session: await this.host.welcomed() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without a host no drain waits for a handler.
    await this.host[Symbol.asyncDispose]()
    await Promise.all(this.#workers.map((worker) => worker.drain()))
    await Promise.all(this.#endings)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #logger(): Logger {
    const warn = (message: string) => {
      this.warnings.push(message)
      this.#firstWarning.comes()
    }
    return { debug() {}, info() {}, warn, error() {} }
  }
}

/** Something that happens once, which a test or a handler waits for. */
export class Moment {
  comes: () => void = () => undefined
  readonly came = new Promise<void>((resolve) => {
    this.comes = resolve
  })
}

/** A handler that runs until it is told to end, whatever its signal says. */
export function untilTold(started: Moment, mayEnd: Moment): () => Promise<void> {
  return async () => {
    started.comes()
    await mayEnd.came
  }
}
