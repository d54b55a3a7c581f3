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

/** utime and stime are the 14th and 15th field; the second may hold blanks, in parentheses. */
function ticksOf(pid: number): number {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ')
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}

/** Seconds, of all descendants of this process. */
export function descendantsCpuSeconds(pid = process.pid): number {
  return childrenOf(pid).reduce((sum, child) => {
    return sum + ticksOf(child) / TICKS_PER_SECOND + descendantsCpuSeconds(child)
  }, 0)
}

/** The peaks of the resident sets of all descendants of this process, in KiB: an upper bound of their common peak. */
export function descendantsPeakKib(pid = process.pid): number {
  return childrenOf(pid).reduce((sum, child) => {
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${child}/status`))?.[1]
    return sum + Number(peak ?? 0) + descendantsPeakKib(child)
  }, 0)
}
