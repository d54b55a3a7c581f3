/** The words and figures that the terminal's table and the Markdown page have in common. */

import type { Cell, Column, Report } from './report.js'
import type { Spread } from './statistics.js'

const SIGNIFICANT_DIGITS = 3

/** Whole numbers and thousands in full, all else with three digits: what a benchmark on a shared machine can tell. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return ''
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(SIGNIFICANT_DIGITS)
}

/** `median (min - max)`, or the median alone where they are one. */
export function spreadText({ min, median, max }: Spread): string {
  return min === max ? figure(median) : `${figure(median)} (${figure(min)} - ${figure(max)})`
}

export function cellText(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'string') return cell
  return typeof cell === 'number' ? figure(cell) : spreadText(cell)
}

export function columnText({ title, unit }: Column): string {
  return unit === undefined ? title : `${title}, ${unit}`
}

/** Where and when it was measured, in two sentences. */
export function circumstances({ cluster, versions, machine, load, startedAt, seconds }: Report): string[] {
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const { cpu, cores, memoryGiB, system, node } = machine
  return [
    `${[cluster, ...used].join('; ')}.`,
    `${cpu}, ${cores} cores shared with the broker, ${memoryGiB} GiB, ${system}, Node ${node}; load ${load.before} ` +
      `before and ${load.after} after; ${startedAt}, in ${figure(Math.round(seconds))} s.`,
  ]
}

export function absences({ absent }: Report): string[] {
  return absent.map(({ label, reason }) => `Not measured: ${label}: ${reason}`)
}
