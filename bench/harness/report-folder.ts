/**
 * A folder of published reports: for each scenario its raw JSON, its page and its charts, and one README that lists them.
 * The README is made from the JSON files that are there, so that scenarios may be measured one by one.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { Chart, Report } from './report.js'
import { barsSvg } from './report-bars.js'
import { linesSvg } from './report-lines.js'
import { chartFile, formatMarkdown, markdownTable } from './report-markdown.js'

const README = 'README.md'
/** A README without it is somebody's own and is left as it is. */
const MADE_HERE = '<!-- Made by "npm run bench -- SCENARIO --report FOLDER" from the JSON files of this folder. -->'

/** What a table of contents needs of a report. */
const summarySchema = z.object({
  scenario: z.string(),
  title: z.string(),
  keyFigure: z.string(),
  commandLine: z.string(),
  startedAt: z.string(),
  seconds: z.number(),
  faults: z.array(z.string()),
})
export type Summary = z.output<typeof summarySchema>

export function formatJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`
}

export async function writeReport(folder: string, report: Report): Promise<void> {
  const { scenario, sections } = report
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${scenario}.json`), formatJson(report))
  await writeFile(join(folder, `${scenario}.md`), formatMarkdown(report))
  for (const chart of sections.flatMap(({ charts }) => charts)) {
    await writeFile(join(folder, chartFile(scenario, chart)), chartSvg(chart))
  }
  await writeContents(folder)
}

function chartSvg(chart: Chart): string {
  return chart.kind === 'bars' ? barsSvg(chart) : linesSvg(chart)
}

/** Undefined where there is no report of that scenario. */
export async function readSummary(folder: string, scenario: string): Promise<Summary | undefined> {
  const file = join(folder, `${scenario}.json`)
  if (!existsSync(file)) return undefined
  return summarySchema.safeParse(JSON.parse(await readFile(file, 'utf8'))).data
}

/** Of all reports in a folder, by their scenarios' ids. */
export async function readSummaries(folder: string): Promise<Summary[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).toSorted()
  const summaries = await Promise.all(files.map((file) => readSummary(folder, basename(file, '.json'))))
  return summaries.filter((summary) => summary !== undefined)
}

async function writeContents(folder: string): Promise<void> {
  const files = await readdir(folder)
  if (files.includes(README) && !(await readFile(join(folder, README), 'utf8')).startsWith(MADE_HERE)) return
  const rows = (await readSummaries(folder)).map(({ scenario, title, keyFigure, commandLine, startedAt }) => [
    `[${title}](${scenario}.md)`,
    keyFigure,
    `\`${commandLine}\``,
    startedAt.slice(0, 10),
  ])
  const table = markdownTable(['scenario', 'key figure', 'command', 'measured'], rows)
  await writeFile(join(folder, README), `${MADE_HERE}\n\n# Benchmarks\n\n${table}\n`)
}
