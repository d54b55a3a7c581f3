/**
 * One round of a group: everyone runs once, in an order that is balanced over the rounds, and the ratios are those of these
 * runs alone. Losses, repetitions and broken order are looked for in ledgers: before the first round where handlers are
 * empty, since a ledger costs several times as much as they do, and in every round where they wait.
 */
import { C_LOOPS } from '../contestants/c-loop.js'
import { LANEWAYS } from '../contestants/laneway-contestants.js'
import type { Contestant } from '../contestants/registry.js'
import { type Run, runContestant } from '../harness/contestant-run.js'
import { balancedOrder } from '../harness/statistics.js'
import type { Topics } from '../harness/topics.js'
import { idealSeconds } from '../scenarios/keyed-work.js'
import type { Ratios } from './baselines.js'
import type { CaseGroup } from './cases.js'
import type { RoundOutcome } from './gate.js'
import { othersShare, readCpuUse } from './others-share.js'

export interface Ground {
  readonly brokers: string
  readonly topics: Topics
  /** The broker belongs to this process: whoever else is busy disturbs. */
  readonly isAlone: boolean
  /** For ledgers. */
  readonly folder: string
  /** For one process. */
  readonly deadlineMs: number
}

const C_LOOP = 'c-loop-batch'

/** @param round from 1 */
export async function measureRound(group: CaseGroup, ground: Ground, round: number): Promise<RoundOutcome> {
  const before = ground.isAlone ? readCpuUse() : undefined
  const outcome = await (group.limit === 'ideal' ? besideIdeal(group, ground) : besideCLoop(group, ground, round))
  const after = readCpuUse()
  return before && after ? { ...outcome, othersShare: othersShare(before, after) } : outcome
}

async function besideCLoop(group: CaseGroup, ground: Ground, round: number): Promise<RoundOutcome> {
  if (round === 1) {
    const faults = await verify(group, ground)
    if (faults.length > 0) return { ratios: new Map(), faults }
  }
  const runs = new Map<string, Run>()
  for (const id of balancedOrder([C_LOOP, ...group.cases.map(({ contestant }) => contestant)], round - 1)) {
    runs.set(id, await runOnce(id, group, ground, false))
  }
  const limit = runs.get(C_LOOP)
  const ratios = group.cases.flatMap(({ id, contestant }): [string, Ratios][] => {
    const run = runs.get(contestant)
    if (limit?.kind !== 'finished' || run?.kind !== 'finished') return []
    const speed = limit.result.seconds / run.result.seconds
    return [[id, { speed, cpu: limit.result.cpuSeconds / run.result.cpuSeconds }]]
  })
  return { ratios: new Map(ratios), faults: [...runs].flatMap(([id, run]) => faultsOf(id, run)) }
}

async function verify(group: CaseGroup, ground: Ground): Promise<string[]> {
  const faults: string[] = []
  for (const { contestant } of group.cases) {
    faults.push(...faultsOf(contestant, await runOnce(contestant, group, ground, true)))
  }
  return faults
}

async function besideIdeal(group: CaseGroup, ground: Ground): Promise<RoundOutcome> {
  const ratios = new Map<string, Ratios>()
  const faults: string[] = []
  for (const { id, contestant } of group.cases) {
    const run = await runOnce(contestant, group, ground, true)
    faults.push(...faultsOf(contestant, run))
    if (run.kind !== 'finished' || run.findings === undefined) continue
    // Joining the group takes no part in how handlers are kept busy.
    const seconds = run.result.seconds - run.result.firstMessageSeconds
    ratios.set(id, { speed: idealSeconds(run.findings, group.concurrency, true) / seconds })
  }
  return { ratios, faults }
}

function faultsOf(id: string, run: Run): string[] {
  return run.kind === 'finished' ? [] : [`${id} ${run.kind}: ${run.reason}`]
}

async function runOnce(id: string, group: CaseGroup, ground: Ground, isChecked: boolean): Promise<Run> {
  const { shape, work, concurrency } = group
  const { brokers, topics, folder, deadlineMs } = ground
  const topic = await topics.get(shape)
  return runContestant(contestantOf(id), { brokers, topic, work, concurrency, isChecked, deadlineMs, folder })
}

function contestantOf(id: string): Contestant {
  const found = [...C_LOOPS, ...LANEWAYS].find((each) => each.id === id)
  if (found === undefined) throw new Error(`there is no contestant "${id}"`)
  return found
}
