/**
 * Runs compiled uvu test files, each in a process of its own: a crash of native code, a thread or a handle that one
 * leaves behind, fails that file alone and is seen. A file that does not end by itself fails.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { launch } from './launch.mjs'
import { show } from './show.mjs'

/** @typedef {import('./tally.mjs').Count} Count */
/** @typedef {Count & { ended: boolean }} FileCount ended: by itself, with its summary; not so after a crash or a deadline */

const PRELOAD = new URL('uvu/preload.mjs', import.meta.url).href

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
 * @param {{ base: string, deadlineMs: number, env?: Record<string, string>, besideOthers?: boolean }} options base: the folder
 *   that file names are shown from; env: added to the environment; besideOthers: the output is shown when the file has ended,
 *   because others run beside it, and only where a test in it failed or was skipped
 * @returns {Promise<FileCount>}
 */
export async function runUvuFile(file, { base, deadlineMs, env = {}, besideOthers = false }) {
  const name = `\n${relative(base, file)}\n`
  if (!besideOthers) process.stdout.write(name)
  const launched = launch(process.execPath, ['--enable-source-maps', '--import', PRELOAD, file], env)
  const options = { deadlineMs, env: launched.env, quiet: besideOthers }
  const { status, output } = await show(launched.command, launched.args, options)
  const count = countOf(status, output)
  if (besideOthers && count.failed + count.skipped > 0) process.stdout.write(name + output)
  return count
}

/**
 * @param {number} status
 * @param {string} output
 * @returns {FileCount}
 */
function countOf(status, output) {
  const summary = output.match(/^\s*Total:\s+(\d+)\s+Passed:\s+(\d+)\s+Skipped:\s+(\d+)/m)
  if (!summary) return { passed: 0, failed: 1, skipped: 0, ended: false }
  const [total = 0, passed = 0, skipped = 0] = summary.slice(1).map(Number)
  const failed = total - passed
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped, ended: status < 128 }
}
