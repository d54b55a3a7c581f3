/** Runs the C++ tests (GoogleTest) and the simulation that CMake built, and reads what they report. */
import { join } from 'node:path'
import { launch } from './launch.mjs'
import { show } from './show.mjs'
import { asOne } from './tally.mjs'

/** @typedef {import('./tally.mjs').Count} Count */

const DEADLINE_MS = 15 * 60_000

export const CPP_TEST_PROGRAMS = ['laneway_core_tests', 'laneway_kafka_tests']

/**
 * @param {string} binDir
 * @param {string} program
 * @param {Record<string, string>} [env]
 * @returns {Promise<Count>}
 */
export async function runGoogleTest(binDir, program, env = {}) {
  const launched = launch(join(binDir, program), ['--gtest_brief=1'], env)
  const options = { env: launched.env, deadlineMs: DEADLINE_MS, quiet: true }
  const { status, output } = await show(launched.command, launched.args, options)
  process.stdout.write(output)
  const count = {
    passed: numberIn(output, /^\[ {2}PASSED {2}\] (\d+) test/m),
    failed: numberIn(output, /^\[ {2}FAILED {2}\] (\d+) test/m),
    skipped: numberIn(output, /^\[ {2}SKIPPED \] (\d+) test/m),
  }
  // A crash, or a sanitizer's report at the very end, has no line of its own.
  return status !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count
}

/**
 * One promise, tried many times: it counts as one test, not as one per seed.
 * @param {string} binDir
 * @param {number} seeds
 * @param {Record<string, string>} [env]
 * @returns {Promise<Count>}
 */
export async function runSimulation(binDir, seeds, env = {}) {
  const launched = launch(join(binDir, 'laneway_simulate'), ['--seeds', String(seeds)], env)
  const { command, args } = launched
  const { status, output } = await show(command, args, { env: launched.env, deadlineMs: DEADLINE_MS, quiet: true })
  process.stdout.write(output)
  return asOne(status === 0)
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 * @returns {number}
 */
function numberIn(text, pattern) {
  return Number(text.match(pattern)?.[1] ?? 0)
}
