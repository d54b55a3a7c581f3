/**
 * Whether a ratio has fallen: its median over the rounds so far, beside the baseline. One round says little on a machine
 * that others use, and the median of a few is thrown off by a slow minute: what seems to have fallen gets more rounds
 * before it is said to have.
 */
import { lowerQuartile, median } from '../harness/statistics.js'
import { type Baselines, RATIO_KINDS, type RatioKind, type Ratios } from './baselines.js'

/** A ratio may be lower than its baseline by this share. */
export const TOLERANCE = 0.15

/** The ratios that one round has measured, by the case. */
export type RoundRatios = ReadonlyMap<string, Ratios>

export interface Verdict {
  readonly case: string
  readonly kind: RatioKind
  /** Undefined where the file has none. */
  readonly baseline: number | undefined
  /** One of each round. */
  readonly ratios: readonly number[]
  /** Their median. */
  readonly measured: number
  readonly verdict: 'held' | 'fallen' | 'no baseline'
}

export function judge(rounds: readonly RoundRatios[], baselines: Baselines['cases']): Verdict[] {
  const ids = [...new Set(rounds.flatMap((round) => [...round.keys()]))]
  return ids.flatMap((id) =>
    RATIO_KINDS.flatMap((kind) => {
      const ratios = rounds.flatMap((round) => round.get(id)?.[kind] ?? [])
      return ratios.length === 0 ? [] : [verdictOf(id, kind, ratios, baselines[id]?.[kind])]
    }),
  )
}

function verdictOf(id: string, kind: RatioKind, ratios: readonly number[], baseline: number | undefined): Verdict {
  const measured = median(ratios)
  const common = { case: id, kind, baseline, ratios, measured }
  if (baseline === undefined) return { ...common, verdict: 'no baseline' }
  return { ...common, verdict: measured < baseline * (1 - TOLERANCE) ? 'fallen' : 'held' }
}

/**
 * What was measured, as baselines: the lower quartile of the rounds, which is about what a slow hour of a machine that
 * others use has for its median. A baseline from a good hour would fail without a cause in the next.
 */
export function newBaselines(verdicts: readonly Verdict[]): Map<string, Ratios> {
  const baselines = new Map<string, Ratios>()
  for (const { case: id, kind, ratios } of verdicts) {
    baselines.set(id, { ...baselines.get(id), [kind]: Number(lowerQuartile(ratios).toFixed(4)) })
  }
  return baselines
}
