/** What the micro benchmarks find out, in the form of every report. */
import { addon } from '../../ts/native.js'
import type { BarGroup, Cell, Column, Findings, Section } from '../harness/report.js'
import { type MicroPlan, type MicroRow, measureCase } from './measure.js'
import type { Suite } from './suite.js'

interface MeasuredCase {
  readonly title: string
  readonly operation: string
  readonly operations: number
  readonly rows: readonly MicroRow[]
}

interface MeasuredSuite {
  readonly suite: Suite
  readonly cases: readonly MeasuredCase[]
}

/** @throws Error where contenders of a case do not come to the same */
export async function findMicro(
  suites: readonly Suite[],
  plan: MicroPlan,
  say: (line: string) => void,
): Promise<Findings> {
  const measured: MeasuredSuite[] = []
  for (const suite of suites) measured.push({ suite, cases: await measureSuite(suite, plan, say) })
  return {
    keyFigure: keyFigureOf(measured),
    versions: { librdkafka: addon.versions().librdkafka },
    sections: measured.map(toSection),
    method: [
      `Measured with tinybench in ${plan.rounds} rounds of ${plan.milliseconds} ms for each contender, in turns; a round's ` +
        'figure is its mean, garbage collection included. All contenders of a case come to the same: that is checked ' +
        'before they are measured. Ratios are to the fastest one in plain JavaScript, medians of those within a round.',
    ],
    absent: [],
    faults: [],
    raw: { plan, suites: measured.map(({ suite: { id }, cases }) => ({ id, cases })) },
  }
}

async function measureSuite(suite: Suite, plan: MicroPlan, say: (line: string) => void): Promise<MeasuredCase[]> {
  await using opened = await suite.open()
  const measured: MeasuredCase[] = []
  for (const each of opened.cases) {
    say(`${suite.id}: ${each.title}`)
    const { title, operation, operations } = each
    measured.push({ title, operation, operations, rows: await measureCase(each, plan) })
  }
  return measured
}

/** How often laneway's own is the fastest of its case. */
function keyFigureOf(suites: readonly MeasuredSuite[]): string {
  const cases = suites.flatMap(({ cases }) => cases)
  const faster = cases.filter(({ rows }) => rows.some(({ role, timesPlain }) => role === 'laneway' && timesPlain > 1))
  return `laneway is faster than the fastest plain JavaScript in ${faster.length} of ${cases.length} cases.`
}

const COLUMNS: readonly Column[] = [
  { title: 'case' },
  { title: 'time of one' },
  { title: 'contender' },
  { title: 'time', unit: 'ns' },
  { title: 'times the fastest plain', unit: 'x' },
]

function toSection({ suite: { id, title, description }, cases }: MeasuredSuite): Section {
  const hasUnits = cases.some(({ rows }) => rows.some(({ units }) => units !== undefined))
  return {
    title,
    prose: [description],
    columns: hasUnits ? [...COLUMNS, { title: 'UTF-16 units' }] : COLUMNS,
    rows: cases.flatMap(({ title, operation, rows }) =>
      rows.map(({ label, nanosecondsPerOperation, timesPlain, units }, row): Cell[] => {
        const what = row === 0 ? [title, operation] : [null, null]
        const cells = [...what, label, nanosecondsPerOperation, timesPlain]
        return hasUnits ? [...cells, units ?? null] : cells
      }),
    ),
    charts: [
      {
        kind: 'bars',
        name: id,
        title: `${title}: ns per operation, the median round and its range`,
        unit: 'ns',
        scale: 'log',
        groups: cases.map(toGroup),
      },
    ],
  }
}

function toGroup({ title, operation, rows }: MeasuredCase): BarGroup {
  return {
    label: `${title}, per ${operation}`,
    bars: rows.map(({ label, role, nanosecondsPerOperation }) => ({
      label,
      role: role === 'laneway' ? 'laneway' : 'peer',
      value: nanosecondsPerOperation,
    })),
  }
}
