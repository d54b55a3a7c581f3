/** What a run found, as a table for people and as one JSON document; the last line counts the properties that held. */
import { PROPERTIES, type Property, type Verdict } from './checker.js'
import type { FaultKind } from './ledger.js'
import type { PhaseResult } from './phase.js'

export interface RunResult {
  readonly seed: number
  readonly startedAt: string
  readonly durationMs: number
  readonly phases: readonly PhaseResult[]
}

const PROPERTY_NAMES = Object.keys(PROPERTIES) as Property[]

type Counts = Readonly<Record<string, number>>

const sumOf = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0)

function describe(counts: Counts): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
}

function faultCounts({ faults }: PhaseResult): Counts {
  const counts: Partial<Record<FaultKind, number>> = {}
  for (const { kind } of faults) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

const held = (verdict: Verdict): Property[] => PROPERTY_NAMES.filter((name) => verdict.broken[name] === 0)

export function countOf(verdicts: readonly Verdict[]): { readonly passed: number; readonly failed: number } {
  const passed = verdicts.reduce((sum, verdict) => sum + held(verdict).length, 0)
  return { passed, failed: verdicts.length * PROPERTY_NAMES.length - passed }
}

/** What was seen, and what of it held. */
export function formatVerdict(verdict: Verdict): string {
  const { produced, completed, runs, failures, lostWorkers, duplicates, epochs, lostEpochs, commits, observations } =
    verdict
  const causes = describe(duplicates)
  const rows = [
    ['messages', `${produced} produced, ${completed} completed`],
    ['handler runs', `${runs}, of them ${failures} failed`],
    ['workers', `${lostWorkers} lost`],
    ['duplicates', `${sumOf(duplicates)}${causes === '' ? '' : `: ${causes}`}`],
    ['epochs', `${epochs}, of them ${lostEpochs} lost`],
    ['commits', `${commits} acknowledged, ${observations} read back`],
    ['longest stall', `${(verdict.longestStallMs / 1000).toFixed(1)} s`],
  ]
  const lines = rows.map(([name = '', value]) => `  ${name.padEnd(14)} ${value}`)
  for (const name of PROPERTY_NAMES) {
    const times = verdict.broken[name]
    lines.push(times === 0 ? `  ok     ${PROPERTIES[name]}` : `  BROKEN ${PROPERTIES[name]} (${name}, ${times} times)`)
  }
  for (const { property, what } of verdict.violations) lines.push(`         ${property}: ${what}`)
  return `${lines.join('\n')}\n`
}

export function formatTable({ seed, phases }: RunResult): string {
  const tables = phases.map((phase) => {
    const head = `\n== ${phase.protocol} (seed ${seed}), ${(phase.durationMs / 1000).toFixed(1)} s\n`
    return `${head}  ${'faults'.padEnd(14)} ${describe(faultCounts(phase))}\n${formatVerdict(phase.verdict)}`
  })
  return tables.join('')
}

export function formatJson({ seed, startedAt, durationMs, phases }: RunResult): string {
  const counts = countOf(phases.map(({ verdict }) => verdict))
  const details = phases.map((phase) => {
    const { protocol, verdict } = phase
    return { protocol, durationMs: Math.round(phase.durationMs), faults: faultCounts(phase), ...verdict }
  })
  return `${JSON.stringify({ seed, startedAt, durationMs: Math.round(durationMs), ...counts, phases: details }, null, 2)}\n`
}

export function closingLine(verdicts: readonly Verdict[]): string {
  const { passed, failed } = countOf(verdicts)
  return `${passed} passed, ${failed} failed`
}
