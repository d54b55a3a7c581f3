/**
 * uvu, with failures of every kind printed. By itself it says nothing of an error that it cannot format (`details` that
 * are no text, such as a LanewayError's; what is no Error at all), nor of one in a `before` hook, and skips the rest of
 * the suite without a word.
 */
import { inspect } from 'node:util'
import * as uvu from 'uvu'

export const { exec } = uvu

export const test = withPrintableFailures(uvu.test)

/** @type {typeof uvu.suite} */
export function suite(title, context) {
  return withPrintableFailures(uvu.suite(title, context))
}

/**
 * @template T
 * @param {uvu.Test<T>} plain
 * @returns {uvu.Test<T>}
 */
function withPrintableFailures(plain) {
  const define = (/** @type {string} */ name, /** @type {uvu.Callback<T>} */ callback) =>
    plain(name, printable(callback))
  return Object.assign(define, {
    only: (/** @type {string} */ name, /** @type {uvu.Callback<T>} */ callback) =>
      plain.only(name, printable(callback)),
    skip: plain.skip,
    before: Object.assign((/** @type {uvu.Callback<T>} */ hook) => plain.before(announced(hook)), {
      each: (/** @type {uvu.Callback<T>} */ hook) => plain.before.each(printable(hook)),
    }),
    after: plain.after,
    run: plain.run,
  })
}

/**
 * @template T
 * @param {uvu.Callback<T>} callback
 * @returns {uvu.Callback<T>}
 */
function printable(callback) {
  return async (context) => {
    try {
      await callback(context)
    } catch (error) {
      throw canBeFormatted(error) ? error : stackless(inspect(error))
    }
  }
}

/**
 * @template T
 * @param {uvu.Callback<T>} hook
 * @returns {uvu.Callback<T>}
 */
function announced(hook) {
  return async (context) => {
    try {
      await hook(context)
    } catch (error) {
      process.stdout.write(`\n   FAIL  before the first test\n    ${inspect(error)}\n`)
      throw error
    }
  }
}

/**
 * uvu itself prints the difference of what an assertion compared.
 * @param {unknown} error
 */
function canBeFormatted(error) {
  if (!(error instanceof Error)) return false
  return !('details' in error) || !error.details || typeof error.details === 'string'
}

/**
 * The text holds the stack already.
 * @param {string} text
 */
function stackless(text) {
  return Object.assign(new Error(text), { stack: '' })
}
