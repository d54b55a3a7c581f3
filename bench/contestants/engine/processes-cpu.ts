/** CPU (in ticks of 10 ms) and memory of child processes that still run, which Linux tells and Node does not. */
import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

/** What has gone meanwhile has none. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function childrenOf(pid: number): number[] {
  const lists = threadsOf(pid).map((thread) => read(`/proc/${pid}/task/${thread}/children`))
  return lists.flatMap((list) =>
    list
      .split(' ')
      .filter((text) => text.trim() !== '')
      .map(Number),
  )
}

/** From the third field on: the second may hold blanks, in parentheses. */
function statOf(pid: number): number[] {
  return read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number)
}

/** utime and stime, the 14th and 15th field. */
function ticksOf(pid: number): number {
  const stat = statOf(pid)
  return (stat[11] ?? 0) + (stat[12] ?? 0)
}

/** cutime and cstime, the 16th and 17th field: of children that have ended and were waited for. */
function endedChildrenTicksOf(pid: number): number {
  const stat = statOf(pid)
  return (stat[13] ?? 0) + (stat[14] ?? 0)
}

/** Seconds, of all descendants of this process that still run. */
export function descendantsCpuSeconds(pid = process.pid): number {
  return childrenOf(pid).reduce((sum, child) => {
    return sum + ticksOf(child) / TICKS_PER_SECOND + descendantsCpuSeconds(child)
  }, 0)
}

/** Seconds, of this process and all its descendants, those that have ended included. */
export function familyCpuSeconds(pid = process.pid): number {
  const own = (ticksOf(pid) + endedChildrenTicksOf(pid)) / TICKS_PER_SECOND
  return childrenOf(pid).reduce((sum, child) => sum + familyCpuSeconds(child), own)
}

/** The peaks of the resident sets of all descendants of this process, in KiB: an upper bound of their common peak. */
export function descendantsPeakKib(pid = process.pid): number {
  return childrenOf(pid).reduce((sum, child) => {
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${child}/status`))?.[1]
    return sum + Number(peak ?? 0) + descendantsPeakKib(child)
  }, 0)
}
