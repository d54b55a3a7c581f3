/** Runs a program to its end, with a deadline. Failing is a value here: the caller knows what it means. */
import { execFile } from 'node:child_process'

export interface Finished {
  /** Exit code; undefined where the program could not be started or was stopped by the deadline. */
  readonly status: number | undefined
  /** stdout, then stderr. */
  readonly output: string
}

export interface RunOptions {
  readonly deadlineMs: number
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

export function runToEnd(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const { deadlineMs, ...rest } = options
  return new Promise((resolve) => {
    const limits = { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 } as const
    execFile(program, [...args], { ...rest, ...limits }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`
      if (error === null) resolve({ status: 0, output })
      else if (typeof error.code === 'number') resolve({ status: error.code, output })
      else resolve({ status: undefined, output: `${output}${error.message}` })
    })
  })
}
