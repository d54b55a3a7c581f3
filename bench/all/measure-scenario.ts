/** Measures a scenario as its own command does, in a process of its own: none inherits another's memory, or ends another. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readSummary } from '../harness/report-folder.js'
import type { BriefScenario, Outcome } from './run-all.js'

const main = fileURLToPath(new URL('../main.js', import.meta.url))

interface Whereto {
  /** The folder of the reports. */
  readonly report: string
  /** Options that all scenarios take alike. */
  readonly common: readonly string[]
}

export async function measureScenario({ id, brief }: BriefScenario, { report, common }: Whereto): Promise<Outcome> {
  const startedAt = new Date().toISOString()
  const status = await statusOf([main, id, ...brief.options, ...common, '--report', report])
  const summary = await readSummary(report, id)
  // One that was there before says nothing about this run.
  if (summary === undefined || summary.startedAt < startedAt) {
    return { isGood: false, text: `FAILED without a report: it ended with ${status}` }
  }
  const { faults, keyFigure } = summary
  if (faults.length > 0) return { isGood: false, text: `FAULTS: ${faults.length}; ${keyFigure}` }
  return { isGood: status === 0, text: keyFigure }
}

/** Its table and its progress go where ours do. */
function statusOf(args: readonly string[]): Promise<number | string> {
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  return new Promise((resolve) => {
    child.on('error', ({ message }) => resolve(message))
    child.on('close', (status, signal) => resolve(status ?? signal ?? 'nothing'))
  })
}
