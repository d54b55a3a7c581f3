/**
 * What the repository's README says of the newest folder of reports: a few of its charts, and the key figure of each
 * scenario. It stands between two marks and is made from the folder, so that it cannot say anything else.
 */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readSummaries, type Summary } from '../harness/report-folder.js'
import { markdownTable } from '../harness/report-markdown.js'
import { SCENARIOS } from '../scenarios/index.js'

const REPORTS = 'docs/benchmarks'
/** DATE-MACHINE. */
const FOLDER = /^\d{4}-\d{2}-\d{2}-/
/** Those of them that are there are shown. */
const CHARTS = [
  { file: 'throughput-100-b-lz4.svg', text: 'messages/s through an empty handler' },
  { file: 'keyed-io-uniform-keys-10-ms-concurrency-100.svg', text: 'messages/s through handlers that wait 10 ms' },
] as const

const BEGIN = '<!-- benchmarks -->'
const END = '<!-- /benchmarks -->'

/** The README with the section that fits its newest reports; `root` is the folder that it is in. */
export async function withNewestReports(readme: string, root: string): Promise<string> {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`the README has no section from ${BEGIN} to ${END}`)
  const section = await sectionOf(root)
  return `${readme.slice(0, begin)}${BEGIN}\n${section}\n${readme.slice(end)}`
}

async function sectionOf(root: string): Promise<string> {
  const folder = await newestFolder(root)
  const charts = CHARTS.filter(({ file }) => existsSync(join(root, folder, file)))
  const rows = inOrder(await readSummaries(join(root, folder))).map((summary) => row(summary, folder))
  return [
    ...charts.map(({ file, text }) => `![${text}](${folder}/${file})`),
    markdownTable(['scenario', 'key figure'], rows),
    `All tables and charts, and how they were measured: [${folder}](${folder}/README.md).`,
  ].join('\n\n')
}

async function newestFolder(root: string): Promise<string> {
  const newest = (await readdir(join(root, REPORTS)))
    .filter((name) => FOLDER.test(name))
    .toSorted()
    .at(-1)
  if (newest === undefined) throw new Error(`${REPORTS} has no folder of reports`)
  return `${REPORTS}/${newest}`
}

/** As the scenarios are listed. */
function inOrder(summaries: readonly Summary[]): Summary[] {
  return SCENARIOS.flatMap(({ id }) => summaries.filter(({ scenario }) => scenario === id))
}

function row({ scenario, title, keyFigure }: Summary, folder: string): string[] {
  return [`[${title}](${folder}/${scenario}.md)`, keyFigure]
}
