/**
 * What share of the machine's CPU others have: everyone but this process and its descendants, which are the contestants and
 * the broker that was started for them. While others are busy, a ratio tells about them rather than about laneway.
 */
import { readFileSync } from 'node:fs'
import { familyCpuSeconds } from '../contestants/engine/processes-cpu.js'

const TICKS_PER_SECOND = 100

/** In seconds, since the machine and this process started. */
export interface CpuUse {
  /** Of all cores, idle or not. */
  readonly total: number
  /** Used by processes, or taken away by other machines on the same hardware. */
  readonly used: number
  /** Used by this process and its descendants. */
  readonly own: number
}

/** Undefined where the system does not tell: only Linux does. */
export function readCpuUse(): CpuUse | undefined {
  if (process.platform !== 'linux') return undefined
  const own = familyCpuSeconds()
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? []
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, hardInterrupts = 0, softInterrupts = 0, stolen = 0] =
    ticks
  // Interrupts are mostly those of the loopback device, which serve the broker and are nobody's by their account.
  const used = user + nice + system + stolen
  const total = used + idle + waiting + hardInterrupts + softInterrupts
  return { total: total / TICKS_PER_SECOND, used: used / TICKS_PER_SECOND, own }
}

/** From 0 to 1. */
export function othersShare(before: CpuUse, after: CpuUse): number {
  const others = after.used - before.used - (after.own - before.own)
  return Math.min(Math.max(others / (after.total - before.total), 0), 1)
}
