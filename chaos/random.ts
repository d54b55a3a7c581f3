/**
 * Randomness that a seed repeats: the fault schedule, the keys and what each handler does are all drawn from here.
 *
 * Mulberry32 over a hash of what the draw is for, so that two draws for different purposes never disturb each other.
 * It must not be used for anything that has to be unpredictable.
 */

/** FNV-1a over the parts' text. */
function hash(parts: readonly (string | number)[]): number {
  let value = 0x811c9dc5
  for (const character of parts.join('/')) {
    value = Math.imul(value ^ character.charCodeAt(0), 0x01000193)
  }
  return value >>> 0
}

export class Random {
  #state: number

  /** @param purpose what is drawn, e.g. `(seed, 'schedule', protocol)`: the same parts give the same sequence */
  constructor(...purpose: readonly (string | number)[]) {
    this.#state = hash(purpose)
  }

  /** From 0 up to but not including 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items]
    const result: T[] = []
    while (left.length > 0) result.push(...left.splice(this.between(0, left.length - 1), 1))
    return result
  }
}
