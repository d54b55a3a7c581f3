/** A report for the terminal: tables with text to the left and figures to the right, prose wrapped around them. */
import type { Cell, Report, Section } from './report.js'
import { absences, cellText, circumstances, columnText } from './report-text.js'

const WIDTH = 110

export function formatTable(report: Report): string {
  const blocks = [
    [report.title, report.question],
    report.faults.map((fault) => `FAULT: ${fault}`),
    ...report.sections.map(sectionLines),
    [report.keyFigure].flatMap(wrap),
    [...absences(report), ...circumstances(report)].flatMap(wrap),
    wrap(report.method.join(' ')),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n')
}

function sectionLines({ title, prose, columns, rows }: Section): string[] {
  return [`== ${title}`, ...prose.flatMap(wrap), ...alignedTable(columns.map(columnText), rows)]
}

export function alignedTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const lines = [head, ...rows.map((row) => row.map(cellText))]
  const columns = head.map((_, column) => ({
    width: Math.max(...lines.map((line) => line[column]?.length ?? 0)),
    isText: rows.every((row) => row[column] === null || typeof row[column] === 'string'),
  }))
  return lines.map((line) =>
    columns
      .map(({ width, isText }, column) => {
        const text = line[column] ?? ''
        return isText ? text.padEnd(width) : text.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Breaks a paragraph at blanks; a word that is wider than a line keeps its own. */
function wrap(paragraph: string): string[] {
  const lines: string[] = []
  for (const word of paragraph.split(' ')) {
    const line = lines.at(-1)
    if (line === undefined || line.length + word.length >= WIDTH) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines
}
