/** How values of the command line are read. */
import { InvalidArgumentError, Option } from 'commander'

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('It takes a whole number from 1.')
  return Number(text)
}

/** 0.5, 60. */
export function positiveNumber(text: string): number {
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('It takes a number above 0.')
  return Number(text)
}

/** `a,b,c`. */
export function list(text: string): string[] {
  return text.split(',').filter((name) => name !== '')
}

/** `1,10,100`. */
export function wholeNumbers(text: string): number[] {
  return list(text).map(wholeNumber)
}

/** `a,b`, of these. */
export function choicesOf<const T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) =>
    list(text).map((name) => {
      const choice = choices.find((one) => one === name)
      if (choice === undefined) throw new InvalidArgumentError(`It takes some of ${choices.join(',')}.`)
      return choice
    })
}

/** An option whose value is a list, which its help shows as it is typed. */
export function listOption<T extends string | number>(
  flags: string,
  description: string,
  parse: (text: string) => T[],
  values: readonly T[],
): Option {
  return new Option(flags, description).argParser(parse).default([...values], values.join(','))
}
