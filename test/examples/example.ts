/** Runs an example as a user does, after the set-up: `node examples/NAME/main.mjs --json`. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sourceFile } from '../broker/package-root.js'

const DEADLINE_MS = 110_000

/**
 * @returns the document that it writes
 * @throws Error with what it wrote to stderr, where it fails
 */
export async function runExample<Summary>(name: string, ...options: readonly string[]): Promise<Summary> {
  const args = [sourceFile(`examples/${name}/main.mjs`), '--json', ...options]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: DEADLINE_MS, killSignal: 'SIGKILL' })
  return JSON.parse(stdout) as Summary
}
