/**
 * `npm run bench` lists the scenarios and who can take part; `npm run bench -- SCENARIO` measures one, `npm run bench -- all` one
 * after the other. The table goes to
 * stdout, progress to stderr. A run in which something was lost, came twice, broke an order, failed or hung ends with
 * status 1.
 */
import { Command } from 'commander'
import { allCommand } from './all/command.js'
import { listing } from './listing.js'
import { microCommand } from './micro/command.js'
import { readmeCommand } from './readme/command.js'
import { addScenario } from './scenario-command.js'
import { SCENARIOS } from './scenarios/index.js'

const program = new Command('bench')
  .description('Measures laneway beside the limit, a C loop on librdkafka, and beside what else there is.')
  .allowExcessArguments()
  .action((_options: unknown, { args: [unknown] }: Command) => {
    if (unknown !== undefined) program.error(`no scenario "${unknown}"\n\n${listing(SCENARIOS)}`)
    process.stdout.write(listing(SCENARIOS))
  })
for (const scenario of SCENARIOS) addScenario(program, scenario)
program.addCommand(allCommand())
program.addCommand(microCommand())
program.addCommand(readmeCommand())

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
})
