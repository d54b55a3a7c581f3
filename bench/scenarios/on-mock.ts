/** Runs a scenario once on a mock cluster of its own, for tests: small, and no measure of anything. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OWN_CONTESTANTS } from '../contestants/entrants.js'
import { ableTo } from '../contestants/registry.js'
import { mockCluster } from '../harness/cluster.js'
import type { Findings } from '../harness/report.js'
import { Topics } from '../harness/topics.js'
import type { Scenario } from './scenario.js'

const DEADLINE_MS = 60_000

export async function measureOnMock(scenario: Scenario, ids: readonly string[], options: unknown): Promise<Findings> {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-bench-'))
  const say = (): void => undefined
  try {
    await using cluster = mockCluster()
    await using topics = new Topics(cluster, folder, say)
    const named = OWN_CONTESTANTS.filter(({ id }) => ids.includes(id))
    const contestants = scenario.lineUp === undefined ? [] : ableTo(named, scenario.lineUp.work)
    const setting = { cluster, topics, contestants, absent: [], runs: 1, deadlineMs: DEADLINE_MS, folder, options, say }
    return await scenario.measure(setting)
  } finally {
    await rm(folder, { recursive: true })
  }
}
