/**
 * Parsers of command-line values: what is not usable is refused with the option's name, before anything starts. They know
 * the form of a value only; what it means is for the command to say.
 */
import { InvalidArgumentError } from 'commander'
import { z } from 'zod'

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isInteger(value) && value >= low && value <= high) return value
    throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`)
  }
}

/** Any number of times; an option that is required has no default to begin with. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

/** `-X name=value`, any number of times. */
export function property(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

const offset = wholeNumber(0, Number.MAX_SAFE_INTEGER - 1)

/** Offsets, any number of them. */
export function collectOffset(text: string, before: readonly number[] = []): number[] {
  return [...before, offset(text)]
}

export type Position = 'earliest' | 'latest' | number

export function position(text: string): Position {
  if (text === 'earliest' || text === 'latest') return text
  try {
    return offset(text)
  } catch {
    throw new InvalidArgumentError('Expected a whole number from 0, earliest or latest.')
  }
}

export interface Time {
  /** Since 1970. */
  readonly ms: number
}

/** A time must say its zone: the operator's is rarely the cluster's. */
export function positionOrTime(text: string): 'earliest' | 'latest' | Time {
  if (text === 'earliest' || text === 'latest') return text
  const ms = z.iso.datetime({ offset: true }).safeParse(text).success ? Date.parse(text) : Number.NaN
  if (ms >= 0) return { ms }
  throw new InvalidArgumentError('Expected earliest, latest or a time with its zone, such as 2026-01-31T12:00:00Z.')
}
