/**
 * A post is held by one worker thread at a time: when it is lost, another one takes its place after a while, which doubles as
 * long as they are lost soon; when it is worn out, its successor is ready before it drains.
 */
import type { LifeEnd, WorkerLife } from './worker-life.js'

/** Who holds a post. */
export type Holder = Pick<WorkerLife, 'age' | 'drain' | 'abort' | 'terminate'>

/** So many workers in a row that never became ready say that none will. */
const MAX_FAILED_STARTS = 10
const FOR_EVER_MS = 2 ** 31 - 1

export interface PostOptions {
  /** ms before the worker that follows so many which were lost soon. */
  readonly delay: (lost: number) => number
  /** ms that a worker must have served for its loss to be the first one again. */
  readonly healthyAfterMs: number
  /** ms that a worker may take until it is ready. */
  readonly startTimeoutMs: number
  /** ms that a worn worker's handlers have for their last steps after they have ended. */
  readonly graceMs: number
}

export interface PostHost<H extends Holder> {
  hire(post: Post<H>): H
  /** Nobody can hold this post. */
  giveUp(why: string, cause: unknown): void
  warn(message: string, fields: Readonly<Record<string, unknown>>): void
}

export class Post<H extends Holder> {
  readonly #host: PostHost<H>
  readonly #options: PostOptions
  #serving: H | undefined
  /** Not ready yet. */
  #next: H | undefined
  /** Worn: drains, or is about to end. */
  #retiring: H | undefined
  #isWorn = false
  #lost = 0
  #failedStarts = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(host: PostHost<H>, options: PostOptions) {
    this.#host = host
    this.#options = options
    this.#hire()
  }

  get lives(): readonly H[] {
    return [this.#serving, this.#next, this.#retiring].filter((life) => life !== undefined)
  }

  /** From now on nobody is replaced. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  ready(life: H): void {
    if (life !== this.#next) return
    clearTimeout(this.#timer)
    this.#next = undefined
    this.#failedStarts = 0
    const before = this.#serving
    this.#serving = life
    if (before !== undefined) void this.#retire(before)
  }

  worn(life: H): void {
    if (life !== this.#serving) return
    this.#isWorn = true
    this.#replaceWorn()
  }

  ended(life: H, end: LifeEnd): void {
    if (life === this.#retiring) {
      this.#retiring = undefined
      this.#replaceWorn()
    } else if (life === this.#next) {
      this.#nextEnded(end)
    } else {
      this.#servingEnded(life, end)
    }
  }

  #nextEnded({ why, cause }: LifeEnd): void {
    clearTimeout(this.#timer)
    this.#next = undefined
    this.#failedStarts += 1
    if (this.#failedStarts < MAX_FAILED_STARTS) this.#replaceLost(why, cause)
    else if (!this.#isClosed) this.#host.giveUp(`${why} before it was ready`, cause)
  }

  #servingEnded(life: H, { why, cause }: LifeEnd): void {
    this.#serving = undefined
    this.#isWorn = false
    if ((life.age ?? 0) >= this.#options.healthyAfterMs) this.#lost = 0
    // The successor of a worn one may be on its way.
    if (this.#next === undefined) this.#replaceLost(why, cause)
  }

  #replaceLost(why: string, cause: unknown): void {
    if (this.#isClosed) return
    this.#lost += 1
    const delayMs = Math.ceil(this.#options.delay(this.#lost))
    this.#host.warn(`${why}; another one starts`, { error: cause, delayMs, lost: this.#lost })
    this.#timer = setTimeout(() => this.#hire(), delayMs)
  }

  /** One at a time: two workers hold the post while one gives it up, and never three. */
  #replaceWorn(): void {
    if (!this.#isWorn || this.#isClosed || this.#next !== undefined || this.#retiring !== undefined) return
    this.#isWorn = false
    this.#hire()
  }

  #hire(): void {
    if (this.#isClosed) return
    const life = this.#host.hire(this)
    this.#next = life
    this.#timer = setTimeout(() => life.terminate(), this.#options.startTimeoutMs)
  }

  async #retire(life: H): Promise<void> {
    this.#retiring = life
    await life.drain(FOR_EVER_MS)
    await life.abort(this.#options.graceMs)
  }
}
