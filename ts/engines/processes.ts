/**
 * The engine whose handlers run in child processes, in any language: each is a worker (proto/laneway/worker/v1) on a Unix
 * socket in a private folder. This file knows its options; the folder `processes` keeps the children, the folder `remote`
 * speaks with them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { LanewayError } from '../errors.js'
import type { Engine, EngineHost, StopMode } from '../ports/engine.js'
import { validate } from '../validation.js'
import type { Children } from './processes/children.js'
import type { RemoteEngine } from './remote/engine.js'
import { limitsOf, milliseconds, type WorkerOptions, workerOptions } from './worker-options.js'

export interface ProcessesOptions extends WorkerOptions {
  /** The program; it is not run by a shell. */
  readonly command: string
  readonly args?: readonly string[]
  /** How many. Default: as many as there are cores. */
  readonly count?: number
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: this process's. */
  readonly cwd?: string
  /** What they write to stdout (as `info`) and stderr (as `warn`): to the logger, to this process's, or away. Default: `log`. */
  readonly output?: 'log' | 'inherit' | 'ignore'
  /**
   * ms that a process has before it is killed: to end by itself when the consumer closes, and to end a handler that was
   * cancelled because it ran for too long. Default: 10,000.
   */
  readonly killAfter?: number
  /** ms from the start of a process to its hello; then it is killed. Default: 60,000. */
  readonly startTimeout?: number
  /**
   * A process that has ended is started again after a delay: at random from 0 up to a bound which doubles from `initial`
   * to `max` ms. After `giveUpAfter` in a row that have ended without a hello, `run()` rejects with `WORKERS_FAILED`.
   * Defaults: 100, 30,000 and 10.
   */
  readonly restart?: { readonly initial?: number; readonly max?: number; readonly giveUpAfter?: number }
}

/** Twice, because one that replaces its stream has two for a moment. */
const STREAMS_PER_CHILD = 2

const schema = z.strictObject({
  ...workerOptions,
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  count: z.number().int().min(1).max(1_000).default(availableParallelism),
  env: z.record(z.string(), z.string()).default({}),
  cwd: z.string().optional(),
  output: z.enum(['log', 'inherit', 'ignore']).default('log'),
  killAfter: milliseconds.default(10_000),
  startTimeout: milliseconds.default(60_000),
  restart: z
    .strictObject({
      initial: milliseconds.default(100),
      max: milliseconds.default(30_000),
      giveUpAfter: z.number().int().min(1).max(1_000_000).default(10),
    })
    .prefault({}),
})

interface Running {
  readonly remote: RemoteEngine
  readonly children: Children
  readonly folder: string
}

class Processes implements Engine {
  readonly handlers = 'elsewhere'
  readonly #options: z.output<typeof schema>
  #starting: Promise<Running> | undefined
  #running: Running | undefined

  constructor(options: ProcessesOptions) {
    this.#options = validate(schema, options, 'options of processes()')
  }

  async start(host: EngineHost): Promise<void> {
    if (this.#starting !== undefined) throw new LanewayError('ALREADY_RUNNING', 'an engine serves one consumer, once')
    this.#starting = this.#start(host)
    this.#running = await this.#starting
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    // One that could not start has said so.
    const running = await this.#starting?.catch(() => undefined)
    if (running === undefined) return
    const { remote, children, folder } = running
    children.retire()
    if (mode === 'drain') {
      await remote.stop(mode, deadlineMs)
      return
    }
    // What still runs a handler must have ended before somebody else runs its message.
    if (remote.isBusy) children.kill()
    await Promise.all([remote.stop(mode, deadlineMs), children.stop()])
    await rm(folder, { recursive: true, force: true })
  }

  fence(partitions: Parameters<NonNullable<Engine['fence']>>[0]): void {
    this.#running?.remote.fence(partitions)
  }

  async #start(host: EngineHost): Promise<Running> {
    const [{ RemoteEngine }, { Children }] = await Promise.all([
      import('./remote/engine.js'),
      import('./processes/children.js'),
    ])
    const children = new Children(this.#options, host.logger, (error) => host.fail(error))
    // Readable by this user alone.
    const folder = await mkdtemp(join(tmpdir(), 'laneway-'))
    const path = join(folder, 'workers')
    const address = { kind: 'unix', text: `unix:${path}`, path } as const
    const { count, killAfter } = this.#options
    const limits = limitsOf(this.#options, { maxWorkers: STREAMS_PER_CHILD * count, killAfterMs: killAfter })
    try {
      const remote = await RemoteEngine.start(host, limits, (metadata) => children.admit(metadata), { address })
      children.start(remote.address)
      return { remote, children, folder }
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }
}

/**
 * Handlers run in child processes, in any language: with an SDK of `workers/`, a dozen lines. They are started, watched,
 * started again with backoff, and drained when the consumer closes: told so, then SIGTERM, then SIGKILL. What a process
 * held when it died is run again, at once and in order.
 *
 * No process outlives its host: where the host is killed, the end of its stream tells a worker to end, too.
 *
 * @throws LanewayError `CONFIG_INVALID`, with every wrong option in `issues`
 */
export function processes(options: ProcessesOptions): Engine {
  return new Processes(options)
}
