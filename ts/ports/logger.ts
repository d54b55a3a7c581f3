/**
 * Where laneway writes what a person should see.
 *
 * An interface only: this file imports nothing. The default (stderr-logger.ts) writes warnings and errors to stderr.
 */

export type LogFields = Readonly<Record<string, unknown>>

/** Compatible with pino, console and most loggers. Must not throw. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}
