/**
 * Parsers of command-line values: what is not usable is refused with the option's name, before anything starts. They know
 * the form of a value only; what it means is for the command to say.
 */
import { InvalidArgumentError } from 'commander'

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
