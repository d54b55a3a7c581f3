/** What a case is played in: a folder of its own with a socket and a ledger, a scripted host, and worker programs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LedgerLine } from '../../ts/testing/obedient-handler.js'
import { ScriptedHost, type ScriptedSession, type WelcomeOptions } from './scripted-host.js'

/** How the worker program of a language is started. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What a case needs of the program. */
export interface ProgramOptions {
  /** Default: 16. */
  readonly concurrency?: number
  /** Default: 32. */
  readonly credits?: number
  /** It serves functions at `scene.functionAddress` instead of dialling. */
  readonly mode?: 'worker' | 'functions'
}

export const TOKEN = 'conformance-token'
const POLL_MS = 10
const END_TIMEOUT_MS = 20_000

export class Worker {
  readonly process: ChildProcess
  #stderr = ''

  constructor(child: ChildProcess) {
    this.process = child
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-20_000)
    })
  }

  get stderr(): string {
    return this.#stderr
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const { exitCode, signalCode } = this.process
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode
    const [code, signal] = await once(this.process, 'exit')
    return code ?? signal
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended()
  }
}

export class Scene implements AsyncDisposable {
  readonly address: string
  readonly functionAddress: string
  readonly #program: Program
  readonly #folder: string
  readonly #ledger: string
  readonly #workers: Worker[] = []
  #host: ScriptedHost | undefined
  #leasesGiven = 1

  constructor(program: Program) {
    this.#program = program
    this.#folder = mkdtempSync(join(tmpdir(), 'laneway-conformance-'))
    this.#ledger = join(this.#folder, 'ledger')
    this.address = `unix:${join(this.#folder, 'host.sock')}`
    this.functionAddress = `unix:${join(this.#folder, 'functions.sock')}`
  }

  async startHost(): Promise<ScriptedHost> {
    this.#host = await ScriptedHost.listen(this.address, { firstLease: this.#leasesGiven })
    // A host never gives a lease twice, whichever it was before.
    this.#leasesGiven += 100_000
    return this.#host
  }

  /** It breaks off: its connections are gone, and so is its socket. */
  async stopHost(): Promise<void> {
    await this.#host?.[Symbol.asyncDispose]()
    this.#host = undefined
    rmSync(this.address.replace('unix:', ''), { force: true })
  }

  startWorker({ concurrency = 16, credits = 32, mode = 'worker' }: ProgramOptions = {}): Worker {
    const { command, args, env } = this.#program
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: {
        ...process.env,
        ...env,
        LANEWAY_LEDGER: this.#ledger,
        LANEWAY_WORKER_TOKEN: TOKEN,
        LANEWAY_WORKER_CONCURRENCY: String(concurrency),
        LANEWAY_WORKER_CREDITS: String(credits),
        ...(mode === 'worker'
          ? { LANEWAY_WORKER_ADDRESS: this.address }
          : { LANEWAY_FUNCTION_ADDRESS: this.functionAddress }),
      },
    })
    const worker = new Worker(child)
    this.#workers.push(worker)
    return worker
  }

  /** A host, a worker, and their session, which has begun. */
  async open(
    options?: ProgramOptions & WelcomeOptions,
  ): Promise<{ host: ScriptedHost; worker: Worker; session: ScriptedSession }> {
    const host = await this.startHost()
    const worker = this.startWorker(options)
    return { host, worker, session: await host.welcomed(options) }
  }

  ledger(): LedgerLine[] {
    if (!existsSync(this.#ledger)) return []
    const lines = readFileSync(this.#ledger, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as LedgerLine)
  }

  /** `start 7` and the like, in the order in which it happened; the number is the lease, which the script makes the offset. */
  events(): string[] {
    return this.ledger().map(({ event, offset }) => `${event} ${offset}`)
  }

  /** Resolves when the ledger holds this event. */
  async event(event: LedgerLine['event'], offset: number | undefined): Promise<void> {
    await this.until(() => this.events().includes(`${event} ${offset}`))
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await sleep(POLL_MS)
  }

  /** What the workers wrote to stderr, for a case that failed. */
  complaints(): string {
    return this.#workers.map(({ stderr }) => stderr).join('')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.kill()))
    await this.stopHost()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** @throws Error where the promise takes too long: no case waits for ever */
  static async within<T>(what: string, promise: Promise<T>): Promise<T> {
    const late = new AbortController()
    const timeout = sleep(END_TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`${what} took more than ${END_TIMEOUT_MS} ms`)
    })
    timeout.catch(() => undefined)
    try {
      return await Promise.race([promise, timeout])
    } finally {
      late.abort()
    }
  }
}
