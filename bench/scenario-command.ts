/** A scenario on the command line: what all scenarios have in common around their measurement. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { repeatable } from './command-line.js'
import { list, wholeNumber } from './command-options.js'
import { gatherEntrants, PEER_NAMES } from './contestants/entrants.js'
import { openCluster } from './harness/cluster.js'
import { currentLoad, describeMachine } from './harness/machine.js'
import type { Findings, Report } from './harness/report.js'
import { formatJson, writeReport } from './harness/report-folder.js'
import { formatTable } from './harness/report-table.js'
import { Topics } from './harness/topics.js'
import { say } from './say.js'
import type { Scenario } from './scenarios/scenario.js'

const commonOptions = z.object({
  peers: z.array(z.string()).optional(),
  only: z.array(z.string()).optional(),
  runs: z.number(),
  deadline: z.number(),
  brokers: z.string().optional(),
  json: z.string().optional(),
  report: z.string().optional(),
})
type CommonOptions = z.output<typeof commonOptions>

export function addScenario(program: Command, scenario: Scenario): void {
  const command = program.command(scenario.id).description(scenario.question)
  if (scenario.lineUp !== undefined) {
    command
      .option('--peers <names>', 'only these, or none (default: all)', peerNames)
      .option('--only <ids>', 'only these contestants, whosesoever', list)
  }
  command
    .option('--runs <n>', 'measured rounds, after one that verifies', wholeNumber, scenario.runs)
    .option('--deadline <seconds>', 'for one process', wholeNumber, 180)
    .option('--brokers <host:port>', 'a cluster to use (default: a Kafka broker started for the run)')
    .option('--json <file>', 'write the report there as one JSON document')
    .option('--report <folder>', 'write the report there: JSON, page and charts')
  scenario.configure(command)
  command.action((options: unknown) => run(scenario, options))
}

const peerNames = (text: string): string[] => (text === 'none' ? [] : list(text))

async function run(scenario: Scenario, given: unknown): Promise<void> {
  const options = commonOptions.parse(given)
  const startedAt = new Date()
  const before = currentLoad()
  const { cluster, findings } = await measure(scenario, options, given)
  const report: Report = {
    scenario: scenario.id,
    title: scenario.title,
    question: scenario.question,
    commandLine: repeatable(process.argv.slice(2)),
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    machine: describeMachine(),
    load: { before, after: currentLoad() },
    cluster,
    ...findings,
  }
  if (options.json !== undefined) await writeFile(options.json, formatJson(report))
  if (options.report !== undefined) await writeReport(options.report, report)
  process.stdout.write(formatTable(report))
  if (report.faults.length > 0) process.exitCode = 1
}

async function measure(
  scenario: Scenario,
  { peers, only, runs, deadline, brokers }: CommonOptions,
  options: unknown,
): Promise<{ readonly cluster: string; readonly findings: Findings }> {
  const { lineUp } = scenario
  const entrants =
    lineUp === undefined
      ? { contestants: [], absent: [] }
      : await gatherEntrants({ ...lineUp, peers: peers ?? PEER_NAMES, only }, say)
  const folder = await mkdtemp(join(tmpdir(), 'laneway-bench-'))
  try {
    await using cluster = await openCluster(brokers, say)
    await using topics = new Topics(cluster, folder, say)
    const deadlineMs = deadline * 1000
    const findings = await scenario.measure({ cluster, topics, ...entrants, runs, deadlineMs, folder, options, say })
    return { cluster: cluster.description, findings }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
