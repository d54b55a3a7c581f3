/** Runs the built `laneway` command as a user does: a process of its own, with stdin, stdout and stderr apart. */
import { type ChildProcess, spawn } from 'node:child_process'
import { sourceFile } from '../broker/package-root.js'

export interface Ended {
  /** undefined where a signal ended it. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

const DEADLINE_MS = 60_000

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

export function startLaneway(args: readonly string[], input = ''): Running {
  const command = [sourceFile('dist/cli/main.js'), ...args]
  const child = spawn(process.execPath, command, { timeout: DEADLINE_MS, killSignal: 'SIGKILL' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A command that does not read its input may end before it has all of it.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ status: code ?? undefined, stdout, stderr }))
  })
  return { child, ended }
}

export function laneway(args: readonly string[], input?: string): Promise<Ended> {
  return startLaneway(args, input).ended
}

/** The one JSON document that stdout must be. */
export function onlyDocument({ stdout }: Ended): Record<string, unknown> {
  const value: unknown = JSON.parse(stdout)
  if (typeof value !== 'object' || value === null) throw new Error(`not an object: ${stdout}`)
  return Object.fromEntries(Object.entries(value))
}

/** One value for each line. */
export function linesOf({ stdout }: Ended): unknown[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}
