/**
 * The default logger: warnings and errors to stderr, a line each, and nothing else. It is on by default because a
 * consumer that waits for an unreachable broker must not wait in silence; stdout belongs to the program.
 */
import type { Logger } from './ports/logger.js'

function write(level: 'warning' | 'error', message: string, cause: unknown): void {
  process.stderr.write(`laneway ${level}: ${message}${cause instanceof Error ? `: ${cause.message}` : ''}\n`)
}

/** Writes warnings and errors to stderr, with the message of the field `error` where there is one. */
export const stderrLogger: Logger = {
  debug() {},
  info() {},
  warn: (message, fields) => write('warning', message, fields?.['error']),
  error: (message, fields) => write('error', message, fields?.['error']),
}
