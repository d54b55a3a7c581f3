/** The worker threads of one engine, from its start to its stop, and what becomes of the messages of those that are lost. */
import { LanewayError } from '../../errors.js'
import type { EngineHost, StopMode } from '../../ports/engine.js'
import type { Place } from '../settler.js'
import type { Lease } from './attempt-table.js'
import { Blame } from './blame.js'
import { Post, type PostHost, type PostOptions } from './post.js'
import { type LifeEnd, type LifeListener, type LifeSetup, WorkerLife } from './worker-life.js'

export interface CrewOptions {
  readonly module: string
  readonly data: unknown
  readonly threads: number
  readonly onLost: 'attempt' | 'release'
  readonly recycle: LifeSetup['recycle']
  readonly resourceLimits: ConstructorParameters<typeof WorkerLife>[1]
  readonly post: PostOptions
}

/** How long an abort waits for what the workers have settled: one that runs a synchronous handler does not hear of it. */
const LAST_WORD_MS = 100

/** Resolves with the promise, or when the time is over. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}

export class Crew implements LifeListener, PostHost<WorkerLife> {
  readonly #host: EngineHost
  readonly #options: CrewOptions
  readonly #blame: Blame
  readonly #posts: Post<WorkerLife>[] = []
  readonly #postOf = new Map<WorkerLife, Post<WorkerLife>>()
  #wards = 0
  #wasReady = false
  #stop: StopMode | undefined

  constructor(host: EngineHost, options: CrewOptions) {
    this.#host = host
    this.#options = options
    this.#blame = new Blame(host)
    for (let i = 0; i < options.threads; i += 1) this.#posts.push(new Post(this, options.post))
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    if (this.#stop === 'abort') return
    this.#stop = mode
    for (const post of this.#posts) post.close()
    if (mode === 'drain') return within(deadlineMs, Promise.all(this.#lives.map((life) => life.drain(deadlineMs))))
    await within(LAST_WORD_MS, Promise.all(this.#lives.map((life) => life.abort(this.#options.post.graceMs))))
    this.#blame.end()
  }

  fence(partitions: readonly Place[]): void {
    for (const life of this.#lives) life.tell({ kind: 'fence', partitions })
  }

  hire(post: Post<WorkerLife>): WorkerLife {
    this.#wards += 1
    const { module, data, recycle, resourceLimits } = this.#options
    const { token, handlerTimeoutMs, isTransactional, batches } = this.#host
    const plan = batches && (({ handler: _, ...rest }) => rest)(batches)
    const setup = { module, data, token, ward: this.#wards, handlerTimeoutMs, isTransactional, batches: plan, recycle }
    const life = new WorkerLife(setup, resourceLimits, this)
    this.#postOf.set(life, post)
    return life
  }

  ready(life: WorkerLife): void {
    this.#wasReady = true
    this.#postOf.get(life)?.ready(life)
  }

  worn(life: WorkerLife): void {
    this.#postOf.get(life)?.worn(life)
  }

  failed(lease: Lease, error: unknown): void {
    this.#blame.failed(lease, error)
  }

  unusable(life: WorkerLife, error: unknown): void {
    if (this.#wasReady) this.#host.logger.warn('a worker thread cannot start', { error })
    else if (this.#stop === undefined) this.#host.fail(error)
    life.terminate()
  }

  broken(error: unknown): void {
    if (this.#stop === undefined) this.#host.fail(error)
  }

  ended(life: WorkerLife, end: LifeEnd): void {
    const ran = this.#options.onLost === 'attempt' && this.#stop !== 'abort' ? end.ran : []
    this.#blame.lost(ran, life.ward, end.why, end.cause)
    const post = this.#postOf.get(life)
    this.#postOf.delete(life)
    if (!this.#wasReady && this.#stop === undefined) this.giveUp(`${end.why} before it was ready`, end.cause)
    else post?.ended(life, end)
  }

  giveUp(why: string, cause: unknown): void {
    const text = `${this.#options.module}: ${why}`
    this.#host.fail(new LanewayError('HANDLER_MODULE_INVALID', text, { cause }))
  }

  warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#host.logger.warn(message, fields)
  }

  get #lives(): readonly WorkerLife[] {
    return this.#posts.flatMap((post) => post.lives)
  }
}
