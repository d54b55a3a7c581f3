/**
 * Measures one case with tinybench. First every contender must come to the same as the first one: what does something
 * else is not compared. Then they take turns, in rounds whose order is balanced, so that a slow second of the machine falls
 * on all alike. A round's figure is its mean, because the garbage that a contender leaves is part of its price.
 */
import { isDeepStrictEqual } from 'node:util'
import { Bench } from 'tinybench'
import { balancedOrder, median, type Spread, spread } from '../harness/statistics.js'
import type { Case, Contender } from './suite.js'

export interface MicroPlan {
  readonly rounds: number
  /** For one contender in one round; each is run a few times at least. */
  readonly milliseconds: number
}

export interface MicroRow {
  readonly label: string
  readonly role: Contender['role']
  readonly nanosecondsPerOperation: Spread
  readonly units?: number
  /** How many times as fast as the fastest plain one: the median of the ratios within a round. */
  readonly timesPlain: number
}

const LEAST_RUNS = 3
const WARMUP_SHARE = 0.3

/** @throws Error where the contenders do not agree */
export async function measureCase(measured: Case, plan: MicroPlan): Promise<readonly MicroRow[]> {
  await checkAgreement(measured)
  const rounds: Map<Contender, number>[] = []
  for (let round = 0; round < plan.rounds; round += 1) {
    const figures = new Map<Contender, number>()
    for (const contender of balancedOrder(measured.contenders, round)) {
      figures.set(contender, (await meanMilliseconds(contender, plan.milliseconds)) * (1e6 / measured.operations))
    }
    rounds.push(figures)
  }
  return measured.contenders.map((contender) => toRow(contender, rounds))
}

async function checkAgreement({ title, contenders }: Case): Promise<void> {
  let first: { readonly label: string; readonly outcome: unknown } | undefined
  for (const { label, prepare, check } of contenders) {
    await prepare?.()
    const outcome = await check()
    first ??= { label, outcome }
    if (isDeepStrictEqual(outcome, first.outcome)) continue
    throw new Error(`${title}: "${label}" and "${first.label}" do not come to the same`)
  }
}

async function meanMilliseconds({ label, run, prepare, isAsync }: Contender, milliseconds: number): Promise<number> {
  const bench = new Bench({
    time: milliseconds,
    iterations: LEAST_RUNS,
    warmupTime: milliseconds * WARMUP_SHARE,
    warmupIterations: 1,
    throws: true,
  })
  bench.add(label, run, { async: isAsync ?? false, ...(prepare ? { beforeEach: prepare } : {}) })
  const [task] = await bench.run()
  if (task?.result.state !== 'completed') throw new Error(`"${label}" did not end: ${task?.result.state}`)
  return task.result.latency.mean
}

function toRow(contender: Contender, rounds: readonly ReadonlyMap<Contender, number>[]): MicroRow {
  const own = rounds.flatMap((figures) => figures.get(contender) ?? [])
  const nanosecondsPerOperation = spread(own)
  if (nanosecondsPerOperation === undefined) throw new Error('no round was measured')
  const fastestPlain = rounds.map((figures) =>
    Math.min(...[...figures].flatMap(([{ role }, figure]) => (role === 'plain' ? [figure] : []))),
  )
  return {
    label: contender.label,
    role: contender.role,
    nanosecondsPerOperation,
    ...(contender.units === undefined ? {} : { units: contender.units }),
    timesPlain: median(own.map((figure, round) => (fastestPlain[round] ?? Number.NaN) / figure)),
  }
}
