/** `npm run bench -- micro`: the command line of the micro benchmarks. They need no broker. */
import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { choicesOf, wholeNumber } from '../command-options.js'
import { currentLoad, describeMachine } from '../harness/machine.js'
import type { Report } from '../harness/report.js'
import { formatJson, writeReport } from '../harness/report-folder.js'
import { formatTable } from '../harness/report-table.js'
import { say } from '../say.js'
import { findMicro } from './findings.js'
import { SUITES } from './index.js'

interface MicroOptions {
  readonly only: readonly string[]
  readonly rounds: number
  readonly milliseconds: number
  readonly json?: string
  readonly report?: string
}

export const MICRO_QUESTION = "What do laneway's parts cost, beside what one would write by hand in plain JavaScript?"

const SUITE_IDS = SUITES.map(({ id }) => id)

async function micro({ only, rounds, milliseconds, json, report: folder }: MicroOptions): Promise<void> {
  const startedAt = new Date()
  const before = currentLoad()
  const suites = SUITES.filter(({ id }) => only.includes(id))
  const findings = await findMicro(suites, { rounds, milliseconds }, say)
  const chosen = suites.length === SUITES.length ? [] : ['--only', only.join(',')]
  const report: Report = {
    scenario: 'micro',
    title: 'Micro benchmarks',
    question: MICRO_QUESTION,
    commandLine: ['npm run bench -- micro', ...chosen, `--rounds ${rounds} --milliseconds ${milliseconds}`].join(' '),
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    machine: describeMachine(),
    load: { before, after: currentLoad() },
    cluster: "librdkafka's mock cluster in the same process, where messages are needed",
    ...findings,
  }
  if (json !== undefined) await writeFile(json, formatJson(report))
  if (folder !== undefined) await writeReport(folder, report)
  process.stdout.write(formatTable(report))
}

export function microCommand(): Command {
  return new Command('micro')
    .description(MICRO_QUESTION)
    .option('--only <suites>', `only these of ${SUITE_IDS.join(',')}`, choicesOf(SUITE_IDS), SUITE_IDS)
    .option('--rounds <n>', 'rounds, each with all contenders of a case in turns', wholeNumber, 5)
    .option('--milliseconds <n>', 'for one contender in one round', wholeNumber, 200)
    .option('--json <file>', 'also write one JSON document there')
    .option('--report <folder>', 'also write micro.json, .md and .svg files there')
    .action(micro)
}
