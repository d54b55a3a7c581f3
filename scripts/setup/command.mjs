/**
 * Runs a command. Its output goes to a log file, not to the terminal; a failure shows the end of that log.
 */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root, stateDir } from './paths.mjs'
import { SetupError } from './progress.mjs'

const LOG_LINES_SHOWN = 40

/** How many compilers may run at once. */
export const jobs = Number(process.env['LANEWAY_JOBS']) || availableParallelism()

/**
 * @param {string} name names the log file, build/setup/NAME.log
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string> }} [options]
 * @returns {Promise<string>} its output; rejects with a {@link SetupError} when the command fails
 */
export async function run(name, program, args, options = {}) {
  mkdirSync(stateDir, { recursive: true })
  const logFile = join(stateDir, `${name}.log`)
  const log = openSync(logFile, 'w')
  /** @type {number | string | null} */
  let ending
  try {
    ending = await new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: options.cwd ?? root,
        env: { ...process.env, ...options.env },
        stdio: ['ignore', log, log],
      })
      child.once('error', reject)
      child.once('close', (code, signal) => resolve(code ?? signal))
    })
  } catch (error) {
    throw new SetupError(`cannot run ${program}: ${error instanceof Error ? error.message : error}`)
  } finally {
    closeSync(log)
  }
  const output = readFileSync(logFile, 'utf8')
  if (ending === 0) return output
  const tail = output.trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n')
  throw new SetupError(`${tail}\n\n${program} ${args.join(' ')}\nfailed (${ending}); all of its output: ${logFile}`)
}

/**
 * The standard output of a short command, or null where it cannot be run or fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} [input] what it reads on its standard input
 * @returns {string | null}
 */
export function capture(program, args, input = '') {
  const done = spawnSync(program, args, { cwd: root, encoding: 'utf8', input })
  return done.status === 0 ? done.stdout : null
}
