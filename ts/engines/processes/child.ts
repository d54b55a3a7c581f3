/**
 * One life of one child process. It has a process group of its own: a signal of the host's terminal is the host's alone
 * (which then drains the child), and what the child itself has started, e.g. under a shell, ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { Logger } from '../../ports/logger.js'
import { eachLine } from './lines.js'

export interface ChildOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string | undefined
  /** What becomes of its stdout and stderr. */
  readonly output: 'log' | 'inherit' | 'ignore'
}

const TOKEN_BYTES = 32

export class Child {
  /** What it proves with that it is this child. */
  readonly token = randomBytes(TOKEN_BYTES).toString('base64url')
  /** Resolves, with how it has ended, when nothing of it runs any more. */
  readonly gone: Promise<string>
  readonly startedAt = performance.now()
  hasGreeted = false
  readonly #process: ChildProcess
  #isGone = false

  constructor({ command, args, env, cwd, output }: ChildOptions, address: string, logger: Logger) {
    const stream = output === 'log' ? 'pipe' : output
    this.#process = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env, LANEWAY_WORKER_ADDRESS: address, LANEWAY_WORKER_TOKEN: this.token },
      stdio: ['ignore', stream, stream],
      detached: true,
    })
    this.gone = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        if (this.#process.pid === undefined) resolve(`cannot be started: ${error.message}`)
      })
      this.#process.once('exit', (code, signal) => {
        this.kill('SIGKILL')
        this.#isGone = true
        resolve(code === null ? `was ended by ${signal}` : `exited with code ${code}`)
      })
    })
    const { stdout, stderr } = this.#process
    if (stdout) eachLine(stdout, (line) => logger.info(line, { worker: this.name, stream: 'stdout' }))
    if (stderr) eachLine(stderr, (line) => logger.warn(line, { worker: this.name, stream: 'stderr' }))
  }

  /** For logs. */
  get name(): string {
    return `process-${this.#process.pid ?? 'none'}`
  }

  /** To it and to all that it has started. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#process
    // Its number may be another's already.
    if (pid === undefined || this.#isGone) return
    try {
      process.kill(-pid, signal)
    } catch {
      // Nothing of it is left.
    }
  }
}
