/**
 * A folder of published reports: for each scenario its raw JSON, its page and its charts, and one README that lists them.
 * The README is made from the JSON files that are there, so that scenarios may be measured one by one.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Chart, Report } from './report.js'
import { barsSvg } from './report-bars.js'
import { linesSvg } from './report-lines.js'
import { chartFile, formatMarkdown, markdownTable } from './report-markdown.js'

const README = 'README.md'
/** A README without it is somebody's own and is left as it is. */
const MADE_HERE = '<!-- Made by "npm run bench -- SCENARIO --report FOLDER" from the JSON files of this folder. -->'

/** What the table of contents needs of a report. */
const summary = z.object({
  scenario: z.string(),
  title: z.string(),
  keyFigure: z.string(),
  commandLine: z.string(),
  startedAt: z.string(),
})

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

async function writeContents(folder: string): Promise<void> {
  const files = await readdir(folder)
  if (files.includes(README) && !(await readFile(join(folder, README), 'utf8')).startsWith(MADE_HERE)) return
  const rows: string[][] = []
  for (const file of files.filter((name) => name.endsWith('.json')).toSorted()) {
    const { success, data } = summary.safeParse(JSON.parse(await readFile(join(folder, file), 'utf8')))
    if (!success) continue
    const { scenario, title, keyFigure, commandLine, startedAt } = data
    rows.push([`[${title}](${scenario}.md)`, keyFigure, `\`${commandLine}\``, startedAt.slice(0, 10)])
  }
  const table = markdownTable(['scenario', 'key figure', 'command', 'measured'], rows)
  await writeFile(join(folder, README), `${MADE_HERE}\n\n# Benchmarks\n\n${table}\n`)
}
