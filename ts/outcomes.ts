/**
 * What a handler throws to say what becomes of its message, whatever the retry policy says. Branded like LanewayError, so
 * that two copies of the package recognise each other's.
 */

const BRAND = Symbol.for('laneway.outcome')

type Kind = 'retry' | 'drop' | 'deadLetter' | 'fatal'

/** Read by {@link outcomeOf}; users throw one of the four classes below. */
export abstract class ThrownOutcome extends Error {
  constructor(kind: Kind, message: string, options?: ErrorOptions) {
    super(message, options)
    Object.defineProperty(this, BRAND, { value: kind })
  }
}

/** The attempt failed, and is repeated after `delay` ms, also where the policy would give up. */
export class RetryMessage extends ThrownOutcome {
  override readonly name = 'RetryMessage'
  readonly delay: number

  /** @param options.delay ms before the next attempt, at least 0 */
  constructor(options: { readonly delay: number; readonly cause?: unknown }) {
    super('retry', `to be tried again in ${options.delay} ms`, { cause: options.cause })
    this.delay = options.delay
  }
}

/** The message is settled without having been handled; counted by `reason`. */
export class DropMessage extends ThrownOutcome {
  override readonly name = 'DropMessage'

  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super('drop', reason, options)
  }
}

/** The message goes to the dead-letter topic now. Where there is none, the option `onExhausted` decides. */
export class DeadLetterMessage extends ThrownOutcome {
  override readonly name = 'DeadLetterMessage'

  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super('deadLetter', reason, options)
  }
}

/** The consumer stops: `run()` rejects with `FATAL_HANDLER`, whose cause is this error. The message is not settled. */
export class FatalError extends ThrownOutcome {
  override readonly name = 'FatalError'

  constructor(message: string, options?: ErrorOptions) {
    super('fatal', message, options)
  }
}

export type Outcome =
  | { readonly kind: 'retry'; readonly delay: number }
  | { readonly kind: 'drop'; readonly reason: string }
  | { readonly kind: 'deadLetter'; readonly reason: string }
  | { readonly kind: 'fatal' }

/** What the thrown value asks for; undefined for every other value. */
export function outcomeOf(thrown: unknown): Outcome | undefined {
  if (typeof thrown !== 'object' || thrown === null || !(BRAND in thrown)) return undefined
  const { reason, delay } = thrown as { readonly reason?: unknown; readonly delay?: unknown }
  const kind = thrown[BRAND] as Kind
  switch (kind) {
    case 'retry':
      return { kind, delay: typeof delay === 'number' && delay >= 0 ? delay : 0 }
    case 'drop':
    case 'deadLetter':
      return { kind, reason: String(reason) }
    case 'fatal':
      return { kind }
  }
}
