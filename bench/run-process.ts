/**
 * Runs one process of the benchmark to its end, or to its deadline, and keeps what it printed. How it ended is a value:
 * a contestant that fails or hangs is a row of the table, not the end of the benchmark.
 */
import { spawn } from 'node:child_process'

export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

export type Ending =
  | { readonly kind: 'ended'; readonly lines: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'hung'; readonly reason: string }

const LOG_CHARACTERS = 4000

/** The line of a log that says what went wrong: a thrown error's first line, else the last one. */
function tellingLine(log: string): string {
  const lines = log.trim().split('\n')
  return (lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? '').trim()
}

export function runProcess({ program, args }: Command, deadlineMs: number): Promise<Ending> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let log = ''
    let hung = false
    const deadline = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, deadlineMs)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-LOG_CHARACTERS)
    })
    child.on('error', (error) => {
      clearTimeout(deadline)
      resolve({ kind: 'failed', reason: error.message })
    })
    child.on('close', (status, signal) => {
      clearTimeout(deadline)
      const lines = output.split('\n').filter((line) => line.trim() !== '')
      if (status === 0) resolve({ kind: 'ended', lines })
      else if (hung) resolve({ kind: 'hung', reason: `no result within ${deadlineMs / 1000} s: ${tellingLine(log)}` })
      else resolve({ kind: 'failed', reason: `ended with ${status ?? signal}: ${tellingLine(log)}` })
    })
  })
}
