/** A report looks alike in the terminal, on its page and in its folder, and hides nothing that went wrong. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BarChart, LineChart, Report } from './report.js'
import { linearAxis, logAxis } from './report-axis.js'
import { barsSvg } from './report-bars.js'
import { formatJson, writeReport } from './report-folder.js'
import { linesSvg } from './report-lines.js'
import { formatMarkdown } from './report-markdown.js'
import { formatTable } from './report-table.js'

const bars: BarChart = {
  kind: 'bars',
  name: '',
  title: 'Messages per second: median, lowest to highest run',
  unit: 'messages/s',
  scale: 'linear',
  groups: [
    {
      label: '',
      bars: [
        { label: 'C loop', role: 'limit', value: { min: 800, median: 1000, max: 1000 } },
        { label: 'laneway <sync>', role: 'laneway', value: 500 },
        { label: 'slow', role: 'peer', value: 'hung' },
      ],
    },
  ],
}

const lines: LineChart = {
  kind: 'lines',
  name: 'latency',
  title: 'Latency',
  unit: 'ms',
  scale: 'log',
  x: { title: 'percentile', names: ['p50', 'p99'] },
  lines: [
    {
      label: 'laneway',
      points: [
        [0, 1],
        [1, 10],
      ],
    },
  ],
}

const report: Report = {
  scenario: 'throughput',
  title: 'Throughput',
  question: 'How fast?',
  keyFigure: 'laneway has 0.5 of the limit.',
  commandLine: 'npm run bench -- throughput',
  startedAt: '2026-01-02T03:04:05.000Z',
  seconds: 12.3,
  machine: { cpu: 'CPU', cores: 2, memoryGiB: 8, system: 'Linux 6.1 x64', node: 'v20.0.0' },
  load: { before: 0.1, after: 2 },
  cluster: 'Apache Kafka',
  versions: { librdkafka: '2.15.1' },
  sections: [
    {
      title: '100 B',
      prose: ['Empty handlers.'],
      columns: [{ title: 'contestant' }, { title: 'speed', unit: 'messages/s' }, { title: 'runs' }],
      rows: [
        ['C loop', { min: 800, median: 1000, max: 1000 }, 3],
        ['a|b\n<c>', null, 0],
      ],
      charts: [bars, lines],
    },
  ],
  method: ['Each in a process of its own.'],
  absent: [{ label: 'kpipe', reason: 'no Java 25' }],
  faults: ['laneway: 1 message lost'],
  raw: { runs: [1, 2] },
}

test('the table aligns figures, and names units, faults and who is absent', () => {
  const table = formatTable(report)
  const [head = '', first = ''] = table.split('\n').filter((line) => /^(contestant|C loop)/.test(line))
  assert.is(head.length, first.length)
  assert.match(first, /1,000 \(800 - 1,000\) +3$/)
  assert.match(table, 'FAULT: laneway: 1 message lost')
  assert.match(table, 'Not measured: kpipe: no Java 25')
})

test('the page escapes what a contestant printed, and shows every chart', () => {
  const page = formatMarkdown(report)
  assert.match(page, '| a\\|b &lt;c> |  | 0 |')
  assert.match(page, '](throughput.svg)')
  assert.match(page, '](throughput-latency.svg)')
  assert.match(page, '**FAULT: laneway: 1 message lost**')
})

test('bars are as long as their figures, and one without a figure says why', () => {
  const svg = barsSvg(bars)
  const widths = [...svg.matchAll(/<rect class="(?:limit|laneway)".* width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  )
  assert.equal(widths.length, 2)
  assert.is(widths[1], (widths[0] ?? 0) / 2)
  assert.match(svg, '>hung</text>')
  assert.match(svg, 'laneway &lt;sync&gt;')
  assert.match(svg, '<title id="title">Messages per second')
  assert.match(svg, 'prefers-color-scheme: dark')
})

test('lines go through their points, by the names of the x axis', () => {
  const svg = linesSvg(lines)
  assert.match(svg, /<path class="line c0" d="M70 \d+(\.\d+)?L620 56"\/>/)
  assert.match(svg, '>p99</text>')
})

test('axes hold all figures between their first and last tick', () => {
  assert.equal(linearAxis([0.4, 3.2]).ticks, [0, 1, 2, 3, 4])
  assert.equal(linearAxis([-1, 1]).ticks, [-1, -0.5, 0, 0.5, 1])
  assert.equal(logAxis([0.2, 30]).ticks, [0.1, 1, 10, 100])
  assert.is(logAxis([1, 100]).position(10), 2 / 3)
  assert.is(logAxis([1, 100]).position(0), 0)
  assert.ok(linearAxis([]).ticks.length > 0)
  assert.ok(logAxis([]).ticks.length > 0)
})

test('a folder lists every report in it, and keeps a README that somebody wrote', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-report-'))
  try {
    await writeReport(folder, report)
    await writeReport(folder, { ...report, scenario: 'latency', title: 'Latency', keyFigure: '1 ms.' })
    assert.equal((await readdir(folder)).toSorted(), [
      'README.md',
      'latency-latency.svg',
      'latency.json',
      'latency.md',
      'latency.svg',
      'throughput-latency.svg',
      'throughput.json',
      'throughput.md',
      'throughput.svg',
    ])
    assert.is(await readFile(join(folder, 'throughput.json'), 'utf8'), formatJson(report))
    const contents = await readFile(join(folder, 'README.md'), 'utf8')
    assert.match(contents, '[Latency](latency.md) | 1 ms.')
    assert.match(contents, '[Throughput](throughput.md) | laneway has 0.5 of the limit.')

    await writeFile(join(folder, 'README.md'), '# Mine\n')
    await writeReport(folder, report)
    assert.is(await readFile(join(folder, 'README.md'), 'utf8'), '# Mine\n')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test.run()
