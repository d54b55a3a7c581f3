/** Sets up, then runs the built command line of this checkout in the foreground. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { join } from 'node:path'
import { distDir } from '../setup/paths.mjs'
import { setUpOrExit } from '../setup.mjs'

/** @param {string} subcommand followed by this process's own arguments */
export async function runCommand(subcommand) {
  await setUpOrExit()
  await runInForeground(join(distDir, 'cli', 'main.js'), [subcommand, ...process.argv.slice(2)])
}

/**
 * Runs a script with this process's terminal, and ends as it ends.
 * @param {string} script
 * @param {readonly string[]} args
 */
export async function runInForeground(script, args) {
  const child = spawn(process.execPath, ['--enable-source-maps', script, ...args], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both: the child decides what to do with it, and this process ends with it.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => child.kill(signal))
  const [code, signal] = await once(child, 'close')
  process.exitCode = code ?? 128 + constants.signals[/** @type {NodeJS.Signals} */ (signal)]
}
