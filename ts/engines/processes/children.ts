/**
 * The children of one engine: as many as were asked for, each started again, with backoff, when it has ended. Where they
 * end again and again before one of them has said hello, the consumer is told: a wrong command must not be tried for ever.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Metadata } from '@grpc/grpc-js'
import { LanewayError } from '../../errors.js'
import { bearerToken } from '../../net/bearer-token.js'
import type { Logger } from '../../ports/logger.js'
import { exponentialBackoff, type RetryDelay } from '../../retry.js'
import type { Admission } from '../remote/admission.js'
import { Child, type ChildOptions } from './child.js'

export interface ChildrenOptions extends ChildOptions {
  readonly count: number
  readonly killAfter: number
  readonly startTimeout: number
  readonly restart: { readonly initial: number; readonly max: number; readonly giveUpAfter: number }
}

export class Children {
  readonly #options: ChildrenOptions
  readonly #logger: Logger
  readonly #fail: (error: LanewayError) => void
  readonly #delay: RetryDelay
  readonly #living = new Map<string, Child>()
  readonly #stopped = new AbortController()
  /** One for each place: done when it is not filled again. */
  #places: readonly Promise<void>[] = []
  /** Lives without a hello since the last hello. */
  #failures = 0
  readonly #killAll = () => this.#signal('SIGKILL')

  constructor(options: ChildrenOptions, logger: Logger, fail: (error: LanewayError) => void) {
    this.#options = options
    this.#logger = logger
    this.#fail = fail
    const { initial, max } = options.restart
    this.#delay = exponentialBackoff({ initial, max })
  }

  start(address: string): void {
    // Where the host ends without having stopped its consumer; where it is killed, children see the end of their stream.
    process.once('exit', this.#killAll)
    this.#places = Array.from({ length: this.#options.count }, () => this.#fill(address))
  }

  /** @throws Error for a token that is no living child's */
  admit(metadata: Metadata): Admission {
    const child = this.#living.get(bearerToken(metadata) ?? '')
    if (child === undefined) throw new Error('the token is no child’s of this host')
    return {
      name: child.name,
      gone: child.gone.then(() => undefined),
      greeted: () => {
        child.hasGreeted = true
        this.#failures = 0
      },
      overdue: () => {
        this.#logger.warn(`${child.name} does not end a handler that was cancelled: it is killed`)
        child.kill('SIGKILL')
      },
      over: (isClean) => {
        // Cut off, silent, or gone with leases: when it is dead, and only then, its lanes may go on.
        if (!isClean) child.kill('SIGKILL')
      },
    }
  }

  /** SIGTERM, and SIGKILL for what is left after a while; resolves when no child is left. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#signal('SIGTERM')
    const timer = setTimeout(this.#killAll, this.#options.killAfter)
    await Promise.all(this.#places)
    clearTimeout(timer)
    process.off('exit', this.#killAll)
  }

  /** Nothing is started any more. */
  retire(): void {
    this.#stopped.abort()
  }

  kill(): void {
    this.#stopped.abort()
    this.#killAll()
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    for (const child of this.#living.values()) child.kill(signal)
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  async #fill(address: string): Promise<void> {
    for (let lives = 1; !this.#isStopped; lives += 1) {
      const livedMs = await this.#live(address)
      if (this.#isStopped) return
      if (livedMs > this.#options.restart.max) lives = 1
      await delay(this.#delay(lives), undefined, { signal: this.#stopped.signal }).catch(() => undefined)
    }
  }

  /** One life, in ms. */
  async #live(address: string): Promise<number> {
    const child = new Child(this.#options, address, this.#logger)
    this.#living.set(child.token, child)
    const timer = setTimeout(() => this.#checkStart(child), this.#options.startTimeout)
    const ending = await child.gone
    clearTimeout(timer)
    this.#living.delete(child.token)
    if (!this.#isStopped) this.#ended(child, ending)
    return performance.now() - child.startedAt
  }

  #checkStart(child: Child): void {
    if (child.hasGreeted) return
    this.#logger.warn(`${child.name} has not said hello within ${this.#options.startTimeout} ms: it is killed`)
    child.kill('SIGKILL')
  }

  #ended(child: Child, ending: string): void {
    const { command, restart } = this.#options
    this.#logger.warn(`${child.name} (${command}) ${ending}; it is started again`, { command, ending })
    if (child.hasGreeted) return
    this.#failures += 1
    if (this.#failures < restart.giveUpAfter) return
    const message = `${command} ${ending}; ${this.#failures} processes in a row have ended without a hello`
    this.#fail(new LanewayError('WORKERS_FAILED', message, { fatal: true, details: { command } }))
  }
}
