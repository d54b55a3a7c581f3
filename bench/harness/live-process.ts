/**
 * A process of the benchmark while it runs: what it prints, what it is told, and its end, by itself, at its deadline or by a
 * kill. How it ended is a value: a contestant that fails or hangs is a row of the table, not the end of the benchmark.
 */
import { spawn } from 'node:child_process'

export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

export type Ending =
  | { readonly kind: 'ended'; readonly lines: readonly string[] }
  | { readonly kind: 'failed' | 'hung'; readonly reason: string }

export interface LiveProcess {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined
  readonly ended: Promise<Ending>
  /** The first line that fits, printed already or yet to come; rejects where the process ends without one. */
  line(fits: (line: string) => boolean): Promise<string>
  /** Writes a line to its standard input. */
  tell(line: string): void
  /** As `kill -9`: it gets no chance to clean up. */
  kill(): void
}

/** Kept of what a process writes to stderr. */
const LOG_CHARACTERS = 4000
/** A contestant prints some lines; one that prints without end is not kept in memory. */
const MOST_LINES = 1000

/** The line of a log that says what went wrong: a thrown error's first line, else the last one. */
function tellingLine(log: string): string {
  const lines = log.trim().split('\n')
  return (lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? '').trim()
}

interface Waiting {
  readonly fits: (line: string) => boolean
  readonly resolve: (line: string) => void
  readonly reject: (error: Error) => void
}

class Lines {
  readonly all: string[] = []
  #waiting: Waiting[] = []
  #rest = ''
  #end: Error | undefined

  add(text: string): void {
    const pieces = (this.#rest + text).split('\n')
    this.#rest = pieces.pop() ?? ''
    for (const piece of pieces) if (piece.trim() !== '') this.#addLine(piece)
  }

  end(reason: string): void {
    if (this.#rest.trim() !== '') this.#addLine(this.#rest)
    this.#end = new Error(reason)
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end)
  }

  first(fits: (line: string) => boolean): Promise<string> {
    const line = this.all.find(fits)
    if (line !== undefined) return Promise.resolve(line)
    if (this.#end !== undefined) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => this.#waiting.push({ fits, resolve, reject }))
  }

  #addLine(line: string): void {
    this.all.push(line)
    if (this.all.length > MOST_LINES) this.all.shift()
    const fitting = this.#waiting.filter(({ fits }) => fits(line))
    this.#waiting = this.#waiting.filter((waiting) => !fitting.includes(waiting))
    for (const { resolve } of fitting) resolve(line)
  }
}

export function startProcess({ program, args }: Command, deadlineMs: number): LiveProcess {
  const child = spawn(program, [...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const lines = new Lines()
  let log = ''
  let hung = false
  const deadline = setTimeout(() => {
    hung = true
    child.kill('SIGKILL')
  }, deadlineMs)
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.add(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-LOG_CHARACTERS)
  })
  // It may end without reading what it is told; its status says why.
  child.stdin.on('error', () => undefined)
  const ended = new Promise<Ending>((resolve) => {
    const end = (ending: Ending): void => {
      clearTimeout(deadline)
      lines.end(ending.kind === 'ended' ? 'it ended' : ending.reason)
      resolve(ending)
    }
    child.on('error', ({ message }) => end({ kind: 'failed', reason: message }))
    child.on('close', (status, signal) => {
      if (status === 0) end({ kind: 'ended', lines: lines.all })
      else if (hung) end({ kind: 'hung', reason: `no result within ${deadlineMs / 1000} s: ${tellingLine(log)}` })
      else end({ kind: 'failed', reason: `ended with ${status ?? signal}: ${tellingLine(log)}` })
    })
  })
  return {
    pid: child.pid,
    ended,
    line: (fits) => lines.first(fits),
    tell: (line) => void child.stdin.write(`${line}\n`),
    kill: () => void child.kill('SIGKILL'),
  }
}

export function runProcess(command: Command, deadlineMs: number): Promise<Ending> {
  return startProcess(command, deadlineMs).ended
}
