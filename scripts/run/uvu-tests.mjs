/**
 * Runs compiled uvu test files, each in a process of its own: a crash of native code, a thread or a handle that one
 * leaves behind, fails that file alone and is seen. A file that does not end by itself fails.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { launch } from './launch.mjs'
import { show } from './show.mjs'

/** @typedef {import('./tally.mjs').Count} Count */

/**
 * @param {string} folder
 * @returns {string[]} the test files under a folder, in the order in which they are to be read
 */
export function findTestFiles(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js') && !path.includes('node_modules'))
    .sort()
    .map((path) => join(folder, path))
}

/**
 * @param {string} file
 * @param {{ base: string, deadlineMs: number, env?: Record<string, string> }} options base: the folder that file names
 *   are shown from; env: added to the environment
 * @returns {Promise<Count>}
 */
export async function runUvuFile(file, { base, deadlineMs, env = {} }) {
  process.stdout.write(`\n${relative(base, file)}\n`)
  const launched = launch(process.execPath, ['--enable-source-maps', file], env)
  const { status, output } = await show(launched.command, launched.args, { deadlineMs, env: launched.env })
  const summary = output.match(/^\s*Total:\s+(\d+)\s+Passed:\s+(\d+)\s+Skipped:\s+(\d+)/m)
  if (!summary) return { passed: 0, failed: 1, skipped: 0 }
  const [total = 0, passed = 0, skipped = 0] = summary.slice(1).map(Number)
  const failed = total - passed
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped }
}
