/**
 * Watches a contestant from outside, by what Linux tells of a process: memory, open files and CPU, sampled while it runs.
 * So the figures are the same for every language, and taking them costs the contestant nothing.
 */
import { readdirSync, readFileSync } from 'node:fs'

export interface Sample {
  /** µs since the epoch, as in ledgers. */
  readonly micros: number
  readonly rssKib: number
  /** Files, sockets, pipes. */
  readonly handles: number
  readonly threads: number
  /** Of all threads since the process started; Linux counts in ticks of 10 ms. */
  readonly cpuSeconds: number
}

const TICKS_PER_SECOND = 100

export class ProcessSampler {
  readonly #pid: number
  readonly #samples: Sample[] = []
  readonly #timer: NodeJS.Timeout

  constructor(pid: number, periodMs: number) {
    this.#pid = pid
    this.#timer = setInterval(() => this.#take(), periodMs)
    this.#take()
  }

  /** Ends with the last sample before the process ended. */
  stop(): readonly Sample[] {
    clearInterval(this.#timer)
    return this.#samples
  }

  #take(): void {
    const sample = sampleProcess(this.#pid)
    if (sample === undefined) clearInterval(this.#timer)
    else this.#samples.push(sample)
  }
}

/** Undefined where there is no such process, or only what is left of one. */
export function sampleProcess(pid: number): Sample | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const rssKib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
    const threads = /^Threads:\s+(\d+)/m.exec(status)?.[1]
    if (rssKib === undefined || threads === undefined) return undefined
    return {
      micros: Math.round((performance.timeOrigin + performance.now()) * 1000),
      rssKib: Number(rssKib),
      handles: readdirSync(`/proc/${pid}/fd`).length,
      threads: Number(threads),
      cpuSeconds: cpuTicks(pid) / TICKS_PER_SECOND,
    }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** utime and stime are the 14th and 15th field of stat; the second may hold blanks, in parentheses. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ESRCH'
}
