/** A report as a page: every section's table, and its charts by the names of their files. */
import type { Chart, Report, Section } from './report.js'
import { absences, cellText, circumstances, columnText } from './report-text.js'

export function formatMarkdown(report: Report): string {
  const { scenario, title, question, keyFigure, commandLine, faults, sections, method } = report
  const paragraphs = [
    `# ${title}`,
    question,
    `**${keyFigure}**`,
    `\`${commandLine}\``,
    ...faults.map((fault) => `**FAULT: ${fault}**`),
    ...sections.flatMap((section) => sectionParagraphs(section, scenario)),
    '## How it was measured',
    ...method,
    ...circumstances(report),
    ...absences(report),
    `The raw figures of every run are in [${scenario}.json](${scenario}.json).`,
  ]
  return `${paragraphs.join('\n\n')}\n`
}

/** The file of a chart, beside the page. */
export function chartFile(scenario: string, { name }: Pick<Chart, 'name'>): string {
  return name === '' ? `${scenario}.svg` : `${scenario}-${name}.svg`
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** What a failed run printed may hold anything, line ends and tags too. */
function escapeCell(text: string): string {
  return text
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
}

function sectionParagraphs({ title, prose, columns, rows, charts }: Section, scenario: string): string[] {
  const table = markdownTable(
    columns.map(columnText),
    rows.map((row) => row.map(cellText)),
  )
  const images = charts.map((chart) => `![${chart.title}](${chartFile(scenario, chart)})`)
  return [`## ${title}`, ...prose, table, ...images]
}
