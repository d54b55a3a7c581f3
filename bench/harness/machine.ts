/** The machine a benchmark ran on, as far as it explains the figures; nothing that names the machine or its owner. */
import { cpus, loadavg, release, totalmem, type } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
}

export function describeMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split('-')[0] ?? ''} ${process.arch}`,
    node: process.version,
  }
}

/** Processes that ran or waited to run, averaged over the last minute. Before a run, this is what others were doing. */
export function currentLoad(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1))
}
