/**
 * Worker threads: each one imports the handler module, attaches to the consumer in native code, and takes its own batches,
 * so that work which needs a CPU scales with the CPUs. No message crosses the main thread but those that fail.
 *
 * Here are the options and the way into the folder `worker-threads`. It must not look at messages.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { LanewayError } from '../errors.js'
import type { Engine, EngineHost, StopMode } from '../ports/engine.js'
import { backoffOptions, type ExponentialBackoffOptions, exponentialBackoff } from '../retry.js'
import { validate } from '../validation.js'
import { Crew, type CrewOptions } from './worker-threads/crew.js'

const DEFAULT_RESTART = { initial: 100, max: 30_000, factor: 2 }
const DEFAULT_START_TIMEOUT_MS = 60_000
/** How long handlers have for their last steps after their signals have fired, before their thread is terminated. */
const GRACE_MS = 1_000
/** Each post may be held by two workers for a while, and native code has room for 255. */
const MAX_THREADS = 100
const DAY_MS = 86_400_000

export interface WorkerThreadsOptions {
  /**
   * The module whose default export is the handler: a URL, or a path from the working directory. Where it exports a
   * function `setUp`, that is called once in each worker with `data`, and returns the handler (or a promise of it). Where it
   * exports `deserialize`, with a decoder for `key`, `value` or both, the handler gets decoded messages.
   */
  readonly module: URL | string
  /** How many, at most 100. Default: as many as there are CPUs to use (`os.availableParallelism()`). */
  readonly threads?: number
  /** What `setUp` gets: anything that can be cloned. Default: undefined. */
  readonly data?: unknown
  /**
   * What becomes of a message that ran when its worker ended (a crash, `process.exit`, no memory left): `attempt`, it is a
   * failed attempt with the error WORKER_LOST; `release`, it is run again without being counted, for ever if need be.
   * Default: `attempt`.
   */
  readonly onLost?: 'attempt' | 'release'
  /** When a worker is replaced by a fresh one: what it runs ends first, and nothing has failed. Default: never. */
  readonly recycle?: {
    /** After so many messages were taken. */
    readonly messages?: number
    /** When so many bytes of its heap are in use after a full garbage collection. */
    readonly heapBytes?: number
  }
  /**
   * ms before a lost worker is replaced; a worker that served for `max` ms before it was lost starts the row again.
   * Default: `{ initial: 100, max: 30_000 }`.
   */
  readonly restart?: ExponentialBackoffOptions
  /** ms that a worker may take to load the module and set it up. Default: 60,000. */
  readonly startTimeout?: number
  /** Limits of each worker's memory, in MB, as Node takes them. Default: Node's. */
  readonly resourceLimits?: {
    readonly maxYoungGenerationSizeMb?: number
    readonly maxOldGenerationSizeMb?: number
    readonly codeRangeSizeMb?: number
    readonly stackSizeMb?: number
  }
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

const positive = z.number().positive().optional()
const count = z.number().int().min(1).default(Number.POSITIVE_INFINITY)

const schema = z.strictObject({
  module: z
    .union([z.instanceof(URL), z.string().min(1)], 'must be a URL or a path')
    .transform((module) => (isUrl(module) ? String(module) : pathToFileURL(resolve(String(module))).href)),
  threads: z
    .number()
    .int()
    .min(1)
    .max(MAX_THREADS)
    .default(() => Math.min(availableParallelism(), MAX_THREADS)),
  data: z.unknown().refine(isCloneable, 'must be something that can be cloned').optional(),
  onLost: z.enum(['attempt', 'release']).default('attempt'),
  recycle: z.strictObject({ messages: count, heapBytes: count }).prefault({}),
  restart: backoffOptions.default(DEFAULT_RESTART),
  startTimeout: z.number().int().min(1).max(DAY_MS).default(DEFAULT_START_TIMEOUT_MS),
  resourceLimits: z
    .strictObject({
      maxYoungGenerationSizeMb: positive,
      maxOldGenerationSizeMb: positive,
      codeRangeSizeMb: positive,
      stackSizeMb: positive,
    })
    .prefault({}),
})

/** A path has no scheme; the letter of a Windows drive is none. */
function isUrl(module: URL | string): boolean {
  return module instanceof URL || /^[a-z][a-z\d+.-]+:/i.test(module)
}

function parse(options: unknown): CrewOptions {
  const { data, restart, startTimeout, ...rest } = validate(schema, options, 'options of workerThreads()')
  const post = {
    delay: exponentialBackoff(restart),
    healthyAfterMs: restart.max,
    startTimeoutMs: startTimeout,
    graceMs: GRACE_MS,
  }
  return { ...rest, data, post }
}

class WorkerThreadsEngine implements Engine {
  readonly handlers = 'elsewhere'
  readonly #options: CrewOptions
  #crew: Crew | undefined

  constructor(options: CrewOptions) {
    this.#options = options
  }

  start(host: EngineHost): void {
    if (this.#crew !== undefined) throw new LanewayError('ALREADY_RUNNING', 'an engine serves one consumer, once')
    this.#crew = new Crew(host, this.#options)
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    await this.#crew?.stop(mode, deadlineMs)
  }

  fence(partitions: Parameters<NonNullable<Engine['fence']>>[0]): void {
    this.#crew?.fence(partitions)
  }
}

/**
 * Runs the handlers of a module in worker threads: for work that needs a CPU for longer than some 20 µs a message, and for
 * handlers that may crash. `run()` and `runBatches()` then get no handler. With the consumer's option `handlerTimeout`, a
 * thread that a handler blocks for more than twice as long is terminated: no signal can be heard in it.
 *
 * @throws LanewayError `CONFIG_INVALID`, with every wrong option in `issues`. A module that cannot be loaded ends `run()`
 * with `HANDLER_MODULE_INVALID`.
 *
 * @example
 * const engine = workerThreads({ module: new URL('./handler.js', import.meta.url), threads: 4 })
 * await using consumer = new ParallelConsumer({ kafka, topics: ['images'], engine })
 * await consumer.run()
 */
export function workerThreads(options: WorkerThreadsOptions): Engine {
  return new WorkerThreadsEngine(parse(options))
}
