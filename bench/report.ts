/**
 * How a run is shown: a table for people, one JSON document for programs, and the folder of a published
 * report (raw JSON, a page, a chart).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Absent, Benchmark } from './contestants.js'
import type { Machine } from './harness/machine.js'
import type { Spread } from './harness/statistics.js'
import type { Outcome, Row } from './throughput.js'

export interface Report extends Outcome {
  readonly benchmark: Benchmark
  readonly startedAt: string
  readonly machine: Machine
  /** Load averages over a minute; the one after the run holds the run itself, which is about 2. */
  readonly load: { readonly before: number; readonly after: number }
  /** What served the topic, in words. */
  readonly cluster: string
  readonly librdkafka: string
  readonly workload: {
    readonly messages: number
    readonly valueBytes: number
    readonly keys: number
    readonly partitions: number
    readonly compression: 'lz4'
  }
  readonly runs: number
  readonly absent: readonly Absent[]
}

const TITLES: Readonly<Record<Benchmark, string>> = {
  'exactly-once': 'The price of exactly once',
}

const COMMON_NOTES = [
  'CPU is of the whole process. Every contestant runs in a process of its own, in rounds whose order is balanced. Ratios',
  'are medians of the ratios of messages/s within a round. The order of keys was verified in a run before the first round.',
]

const NOTES: Readonly<Record<Benchmark, readonly string[]>> = {
  'exactly-once': [
    'The handler sends the key and the value of its message on, to another topic. Time and CPU run from subscribe to the',
    'end of close(), when every output and every offset is committed. Without transactions the handler hands its output to',
    'the same native producer, idempotent, and does not wait for it: the fastest way, which may lose outputs where the',
    'process ends, and repeats them after a restart. Transactions produce once in a commitInterval (1 s), in large batches;',
    'linger.ms 100 gives the other way batches like these.',
    ...COMMON_NOTES,
  ],
}

const thousands = (value: number): string => Math.round(value).toLocaleString('en')
const ratio = (value: number | undefined): string => (value === undefined ? '' : value.toPrecision(3))

function range({ min, median, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)} - ${format(max)})`
}

/** The columns of figures; one more per peer comes between them. */
function headings({ rows, limit }: Report): string[] {
  const peers = rows.filter(({ role }) => role === 'peer').map(({ id }) => `x ${id}`)
  const limits = limit === undefined ? [] : ['x C loop', 'after join']
  return ['contestant', 'messages/s', ...limits, ...peers, 'CPU µs/message', 'peak RSS MiB', 'runs']
}

function troubleOf({ verification, runs }: Row): string | undefined {
  for (const run of [verification, ...runs]) if (run.kind !== 'finished') return `${run.kind}: ${run.reason}`
  return undefined
}

function cells(row: Row, report: Report): string[] {
  const good = row.runs.filter(({ kind }) => kind === 'finished').length
  const trouble = troubleOf(row)
  const runs = `${good} of ${report.runs}${trouble === undefined ? '' : `, ${trouble}`}`
  const { figures } = row
  if (figures === undefined) return emptyRow(report, row.label, 'did not finish', runs)
  return [
    row.label,
    range(figures.messagesPerSecond, thousands),
    ...(report.limit === undefined ? [] : [row.timesLimit, row.timesLimitAfterJoin]).map(ratio),
    ...Object.values(row.timesPeers).map(ratio),
    range(figures.cpuMicrosecondsPerMessage, (value) => value.toFixed(value < 10 ? 2 : 1)),
    thousands(figures.peakRssMiB.median),
    runs,
  ]
}

function emptyRow(report: Report, label: string, state: string, reason: string): string[] {
  const blanks = headings(report)
    .slice(3)
    .map(() => '')
  return [label, state, ...blanks, reason]
}

function tableRows(report: Report): string[][] {
  const absent = report.absent.map(({ label, reason }) => emptyRow(report, label, 'not measured', firstLine(reason)))
  return [...report.rows.map((row) => cells(row, report)), ...absent]
}

const firstLine = (text: string): string => text.split('\n')[0] ?? ''

/** For a terminal: text to the left, figures to the right. */
export function formatTable(report: Report): string {
  const head = headings(report)
  const rows = [head, ...tableRows(report)]
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const align = (cell: string, column: number): string => {
    const width = widths[column] ?? 0
    return column === 0 || column === head.length - 1 ? cell.padEnd(width) : cell.padStart(width)
  }
  const lines = rows.map((row) => row.map(align).join('  ').trimEnd())
  return [...lines, '', ...circumstances(report), ...NOTES[report.benchmark], ''].join('\n')
}

function circumstances({ machine, workload, cluster, librdkafka, runs, startedAt, load }: Report): string[] {
  return [
    `${thousands(workload.messages)} messages of ${workload.valueBytes} B, ${thousands(workload.keys)} keys, ` +
      `${workload.partitions} partitions, ${workload.compression}; ${runs} rounds; ${cluster}; librdkafka ${librdkafka}.`,
    `${machine.cpu}, ${machine.cores} cores shared with the broker, ${machine.memoryGiB} GiB, ${machine.system}, ` +
      `Node ${machine.node}, load ${load.before} before and ${load.after} after; ${startedAt}.`,
  ]
}

function markdown(report: Report): string {
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const head = headings(report)
  const table = [line(head), line(head.map(() => '---')), ...tableRows(report).map(line)]
  const { benchmark, workload, runs } = report
  const options = `--messages ${workload.messages} --size ${workload.valueBytes} --runs ${runs}`
  const spreads = `--partitions ${workload.partitions} --keys ${workload.keys}`
  return [
    `# ${TITLES[benchmark]}`,
    '',
    `\`npm run bench -- ${benchmark} ${options} ${spreads}\``,
    '',
    ...circumstances(report).flatMap((sentence) => [sentence, '']),
    ...table,
    '',
    `![messages per second](${benchmark}.svg)`,
    '',
    ...NOTES[benchmark],
    '',
    `The raw figures of every run are in [${benchmark}.json](${benchmark}.json).`,
    '',
  ].join('\n')
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** Bars of the medians, with a whisker from the slowest to the fastest run. */
function chart(report: Report): string {
  const bars = report.rows.flatMap(({ label, role, figures }) =>
    figures === undefined ? [] : [{ label, role, spread: figures.messagesPerSecond }],
  )
  const labelWidth = 330
  const plotWidth = 460
  const rowHeight = 34
  const height = bars.length * rowHeight + 40
  const largest = Math.max(1, ...bars.map(({ spread }) => spread.max))
  const x = (value: number): number => Math.round(labelWidth + (value / largest) * plotWidth)
  const colours = { limit: '#8a8f98', laneway: '#2f6fde', peer: '#d98a2b' } as const
  const shapes = bars.flatMap(({ label, role, spread }, index) => {
    const top = 34 + index * rowHeight
    const middle = top + 11
    return [
      `<text x="${labelWidth - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(label)}</text>`,
      `<rect x="${labelWidth}" y="${top}" width="${x(spread.median) - labelWidth}" height="22" fill="${colours[role]}"/>`,
      `<path d="M${x(spread.min)} ${middle}H${x(spread.max)}" stroke="#222" stroke-width="1.5"/>`,
      `<text x="${x(spread.max) + 6}" y="${middle + 4}">${thousands(spread.median)}</text>`,
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${labelWidth + plotWidth + 110} ${height}" role="img">`,
    '<style>text{font:12px sans-serif;fill:#222}</style><rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${labelWidth}" y="20">messages per second: median, slowest to fastest run</text>`,
    ...shapes,
    '</svg>',
    '',
  ].join('\n')
}

/** One JSON document, as `--json` prints it. */
export function formatJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`
}

export async function writeReport(folder: string, report: Report): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${report.benchmark}.json`), formatJson(report))
  await writeFile(join(folder, `${report.benchmark}.md`), markdown(report))
  await writeFile(join(folder, `${report.benchmark}.svg`), chart(report))
}
