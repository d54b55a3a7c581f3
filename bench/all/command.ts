/** `npm run bench -- all`: a folder of reports of every scenario, each measured briefly. */
import { Command } from 'commander'
import { z } from 'zod'
import { choicesOf, listOption } from '../command-options.js'
import { say } from '../say.js'
import { SCENARIOS } from '../scenarios/index.js'
import { measureScenario } from './measure-scenario.js'
import { type BriefScenario, runAll } from './run-all.js'

/** Scenarios that may be measured one after the other, in the order of the list. */
export const BRIEF_SCENARIOS: readonly BriefScenario[] = SCENARIOS.flatMap(({ id, brief }) =>
  brief === undefined ? [] : [{ id, brief }],
)
const IDS = BRIEF_SCENARIOS.map(({ id }) => id)

export const ALL_PURPOSE = `${IDS.length} of these, one after the other, each briefly: about an hour on two cores`

const options = z.object({
  report: z.string(),
  scenarios: z.array(z.string()),
  peers: z.string().optional(),
  brokers: z.string().optional(),
})

export function allCommand(): Command {
  return new Command('all')
    .description(ALL_PURPOSE)
    .requiredOption('--report <folder>', 'write the reports there: JSON, pages and charts')
    .addOption(listOption('--scenarios <ids>', 'only these', choicesOf(IDS), IDS))
    .option('--peers <names>', 'only these, or none (default: all)')
    .option('--brokers <host:port>', 'a cluster to use (default: a Kafka broker started for each scenario)')
    .action(run)
}

async function run(given: unknown): Promise<void> {
  const { report, scenarios, peers, brokers } = options.parse(given)
  const wanted = BRIEF_SCENARIOS.filter(({ id }) => scenarios.includes(id))
  const summary = await runAll(wanted, {
    measure: (scenario) => measureScenario(scenario, { report, common: commonOptions(scenario.id, peers, brokers) }),
    now: () => performance.now(),
    say,
  })
  process.stdout.write(`\n${summary.lines.join('\n')}\n`)
  if (!summary.isGood) process.exitCode = 1
}

function commonOptions(id: string, peers: string | undefined, brokers: string | undefined): string[] {
  const hasPeers = SCENARIOS.some((scenario) => scenario.id === id && scenario.lineUp !== undefined)
  return [
    ...(peers === undefined || !hasPeers ? [] : ['--peers', peers]),
    ...(brokers === undefined ? [] : ['--brokers', brokers]),
  ]
}
