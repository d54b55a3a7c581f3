/** Where a figure lies on an axis of a chart, and which figures are marked on it. */

export interface Axis {
  /** From 0 to 1; figures outside of the axis lie on its end. */
  position(value: number): number
  readonly ticks: readonly number[]
}

const WANTED_TICKS = 5

/** From 0, or from the lowest where that is below 0, to the highest or a little more. */
export function linearAxis(values: readonly number[]): Axis {
  const low = Math.min(0, ...values)
  const high = Math.max(low + Number.EPSILON, ...values)
  const step = niceStep((high - low) / WANTED_TICKS)
  const [first, last] = [Math.floor(low / step), Math.ceil(high / step)]
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
  return axis(first * step, last * step, ticks, (value) => value)
}

/** Whole decades around all figures above 0, the lowest of them not at the very start; the others lie there. */
export function logAxis(values: readonly number[]): Axis {
  const exponents = values.filter((value) => value > 0).map(Math.log10)
  const [lowest, highest] = exponents.length === 0 ? [1, 1] : [Math.min(...exponents), Math.max(...exponents)]
  const first = Math.ceil(lowest) - 1
  const last = Math.max(first + 1, Math.ceil(highest))
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
  return axis(first, last, ticks, (value) => (value > 0 ? Math.log10(value) : first))
}

function axis(low: number, high: number, ticks: readonly number[], scaled: (value: number) => number): Axis {
  return { position: (value) => Math.min(Math.max((scaled(value) - low) / (high - low), 0), 1), ticks }
}

/** 1, 2 or 5 times a power of ten, not below `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  const factor = [1, 2, 5].find((nice) => nice * power >= step) ?? 10
  return factor * power
}
