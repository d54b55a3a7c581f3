/**
 * Functions among the options are the user's: where one throws or returns nonsense, the option is at fault, not the
 * message that it was called for, and the consumer stops with an error that names the option.
 */
import { LanewayError } from './errors.js'

export function wrongFunction(field: string, message: string, cause?: unknown): LanewayError {
  return new LanewayError('CONFIG_INVALID', `${field}: ${message}`, {
    cause,
    issues: [{ field, message }],
    fatal: true,
  })
}

/** @throws LanewayError `CONFIG_INVALID` where the function throws */
export function callUserFunction<T>(field: string, userFunction: () => T): T {
  try {
    return userFunction()
  } catch (cause) {
    throw wrongFunction(field, `it threw ${String(cause)}`, cause)
  }
}
