/** What a run found, as a table for people and as one JSON document; the last line counts the properties that held. */

import { PROPERTIES, type Property, type Verdict } from './checker.js'
import { CAUSES, type Cause } from './fences.js'
import type { FaultKind } from './ledger.js'
import type { PhaseResult } from './phase.js'

export interface RunResult {
  readonly seed: number
  readonly startedAt: string
  readonly durationMs: number
  readonly phases: readonly PhaseResult[]
}

const PROPERTY_NAMES = Object.keys(PROPERTIES) as Property[]

function faultCounts({ faults }: PhaseResult): Partial<Record<FaultKind, number>> {
  const counts: Partial<Record<FaultKind, number>> = {}
  for (const { kind } of faults) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

export function countOf({ phases }: RunResult): { readonly passed: number; readonly failed: number } {
  const held = phases.flatMap(({ verdict }) => PROPERTY_NAMES.map((name) => verdict.broken[name] === 0))
  const passed = held.filter(Boolean).length
  return { passed, failed: held.length - passed }
}

function describe(counts: Readonly<Partial<Record<string, number>>>): string {
  const entries = Object.entries(counts).filter(([, count]) => count !== undefined && count > 0)
  return entries.map(([name, count]) => `${count} ${name}`).join(', ') || 'none'
}

const duplicatesOf = ({ duplicates }: Verdict): number =>
  CAUSES.reduce((sum, cause: Cause) => sum + (duplicates[cause] ?? 0), 0)

function rowsOf({ verdict, durationMs, ...phase }: PhaseResult): [string, string][] {
  return [
    ['messages', `${verdict.produced} produced, ${verdict.completed} completed`],
    ['handler runs', `${verdict.runs}, of them ${verdict.failures} failed`],
    ['duplicates', `${duplicatesOf(verdict)} (${describe(verdict.duplicates)})`],
    ['epochs', `${verdict.epochs}, of them ${verdict.lostEpochs} lost`],
    ['commits', `${verdict.commits} acknowledged, ${verdict.observations} read back`],
    ['faults', describe(faultCounts({ verdict, durationMs, ...phase }))],
    ['longest stall', `${(verdict.longestStallMs / 1000).toFixed(1)} s`],
    ['duration', `${(durationMs / 1000).toFixed(1)} s`],
  ]
}

export function formatTable(run: RunResult): string {
  const lines: string[] = []
  for (const phase of run.phases) {
    lines.push('', `== ${phase.protocol} (seed ${run.seed})`)
    for (const [name, value] of rowsOf(phase)) lines.push(`  ${name.padEnd(14)} ${value}`)
    for (const name of PROPERTY_NAMES) {
      const broken = phase.verdict.broken[name]
      lines.push(
        `  ${broken === 0 ? 'ok    ' : 'BROKEN'} ${name}: ${PROPERTIES[name]}${broken > 0 ? ` (${broken} times)` : ''}`,
      )
    }
    for (const { property, what } of phase.verdict.violations) lines.push(`  ${property}: ${what}`)
  }
  return `${lines.join('\n')}\n`
}

export function formatJson(run: RunResult): string {
  const phases = run.phases.map(({ protocol, verdict, durationMs, ...phase }) => {
    return { protocol, durationMs, faults: faultCounts({ protocol, verdict, durationMs, ...phase }), ...verdict }
  })
  const { seed, startedAt, durationMs } = run
  return `${JSON.stringify({ seed, startedAt, durationMs, ...countOf(run), phases }, null, 2)}\n`
}

export function closingLine(run: RunResult): string {
  const { passed, failed } = countOf(run)
  return `${passed} passed, ${failed} failed`
}
