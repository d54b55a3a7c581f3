/**
 * What set-up says while it works: on stderr, since stdout belongs to the command that comes after it
 * (`npm run demo -- --json` prints one JSON document there). Silent where there was nothing to do.
 */

/** A problem that a person can act on: printed without a stack. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError'
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`)
}

/**
 * Names a step, runs it and says how long it took.
 * @template T
 * @param {string} title what is being done, as a person would say it
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  say(`laneway: ${title} ...`)
  const startedAt = performance.now()
  const result = await work()
  say(`laneway: ${title} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`)
  return result
}

/**
 * Runs the main part of a script: a {@link SetupError} ends the process with its message, any other with its stack.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function orExplain(work) {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(error.message)
    process.exit(1)
  }
}
