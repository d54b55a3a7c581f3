/**
 * How a program is started under ThreadSanitizer, which finds no room for its shadow memory where the kernel randomises
 * addresses widely: without that, where `setarch` can say so. Any other program starts as it is.
 */
import { existsSync } from 'node:fs'

const SETARCH = '/usr/bin/setarch'

/**
 * @typedef {object} Launch
 * @property {string} command
 * @property {string[]} args
 * @property {Record<string, string>} env
 */

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Record<string, string>} env what is added to the environment: TSAN_OPTIONS tells ThreadSanitizer
 * @returns {Launch}
 */
export function launch(program, args, env) {
  if (!env['TSAN_OPTIONS'] || !existsSync(SETARCH)) return { command: program, args: [...args], env }
  const { LD_PRELOAD: preload, ...rest } = env
  // Not for setarch itself, which starts with randomised addresses.
  const assignment = preload === undefined ? [] : ['env', `LD_PRELOAD=${preload}`]
  return { command: SETARCH, args: ['-R', ...assignment, program, ...args], env: rest }
}
