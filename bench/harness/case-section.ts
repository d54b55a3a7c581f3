/**
 * The rounds of one case as a section of the report: a chart, and a table with a row for each contestant: its messages/s as
 * a ratio to a yardstick and to the best peer, what it cost, and what its ledger says. Ratios are medians of those within
 * a round.
 */
import { type Role, TUNED_PROPERTIES } from '../contestants/registry.js'
import type { Run } from './contestant-run.js'
import type { LedgerFindings } from './ledger.js'
import type { Bar, Cell, Chart, Column, Section } from './report.js'
import { figure } from './report-text.js'
import type { Case, Entry, Tally } from './rounds.js'
import { median, spread } from './statistics.js'
import { Versions } from './versions.js'

type Ended = Extract<Run, { readonly kind: 'finished' | 'wrong' }>

/** Messages/s of a run; undefined where the run cannot tell. */
export type Rate = (run: Ended) => number | undefined

/** From `subscribe` to the end of the last handler. */
export const wholeRate: Rate = ({ result }) => result.messages / result.seconds

/** What messages/s are compared with. */
export interface Yardstick {
  readonly title: string
  /** Of the case; undefined where there is nothing to compare with. */
  ratio(tally: Tally, tallies: readonly Tally[]): number | undefined
}

function rateOf({ run }: { readonly run: Run }, rate: Rate): number | undefined {
  return 'result' in run ? rate(run) : undefined
}

export function ratesOf({ rounds }: Tally, rate: Rate): number[] {
  return rounds.flatMap((round) => rateOf(round, rate) ?? [])
}

/** Median of the ratios within a round; undefined where no round has both. */
export function medianRatio(tally: Tally, base: Tally | undefined, rate: Rate): number | undefined {
  const ratios = tally.rounds.flatMap((round) => {
    const other = base?.rounds.find((one) => one.round === round.round)
    const [own, its] = [rateOf(round, rate), other && rateOf(other, rate)]
    return own === undefined || its === undefined ? [] : [own / its]
  })
  return ratios.length === 0 ? undefined : median(ratios)
}

/** The fastest of these, among those on the same copy of the topic where there are any. */
function fastest(tallies: readonly Tally[], compression: Entry['compression'], rate: Rate): Tally | undefined {
  const able = tallies.filter((tally) => ratesOf(tally, rate).length > 0)
  const same = able.filter(({ entry }) => entry.compression === compression)
  return (same.length > 0 ? same : able).toSorted((a, b) => median(ratesOf(b, rate)) - median(ratesOf(a, rate)))[0]
}

const withRole = (tallies: readonly Tally[], role: Role): Tally[] =>
  tallies.filter(({ entry }) => entry.contestant.role === role)

/** The faster way of draining; at librdkafka's defaults it swings too much to be compared with. */
function limitFor({ entry }: Tally, tallies: readonly Tally[]): Tally | undefined {
  const tuned = withRole(tallies, 'limit').filter((limit) => limit.entry.contestant.properties === TUNED_PROPERTIES)
  return fastest(tuned, entry.compression, wholeRate)
}

export const toLimit: Yardstick = {
  title: 'x limit',
  ratio: (tally, tallies) => medianRatio(tally, limitFor(tally, tallies), wholeRate),
}

const COLUMNS: readonly Column[] = [
  { title: 'CPU', unit: 'µs' },
  { title: 'peak RSS', unit: 'MiB' },
  { title: 'out of order' },
  { title: 'lost' },
  { title: 'twice' },
  { title: 'runs' },
]

function runsOf({ verification, rounds }: Tally): Run[] {
  return [verification, ...rounds.map(({ run }) => run)]
}

function ended(tally: Tally): Ended[] {
  return tally.rounds.flatMap(({ run }) => ('result' in run ? [run] : []))
}

/** Over all runs that were checked; null where none was. */
function sumOf(tally: Tally, of: (findings: LedgerFindings) => number): number | null {
  const checked = runsOf(tally).flatMap((run) =>
    'findings' in run && run.findings !== undefined ? [run.findings] : [],
  )
  return checked.length === 0 ? null : checked.reduce((sum, findings) => sum + of(findings), 0)
}

function disorderCell(tally: Tally): Cell {
  const disorders = sumOf(tally, (findings) => findings.disorders)
  if (disorders === null || disorders === 0 || tally.entry.contestant.keepsKeyOrder) return disorders
  return `${figure(disorders)}, does not claim it`
}

/** How many runs count, over how many messages where these are fewer, and what first went wrong. */
function runsCell(tally: Tally, { shape }: Case): string {
  const { messages, rounds } = tally
  const finished = rounds.filter(({ run }) => run.kind === 'finished').length
  const isShort = messages !== undefined && messages !== shape.messages
  const trouble = runsOf(tally).flatMap((run) =>
    run.kind === 'finished' ? [] : [`${run.kind}: ${firstLine(run.reason)}`],
  )
  return [String(finished), ...(isShort ? [`of ${figure(messages)} messages`] : []), ...trouble.slice(0, 1)].join(', ')
}

const firstLine = (text: string): string => text.split('\n')[0] ?? ''

function row(tally: Tally, tallies: readonly Tally[], one: Case, rate: Rate, yardstick: Yardstick): Cell[] {
  const runs = ended(tally)
  const { label, compression } = tally.entry
  const best = fastest(withRole(tallies, 'peer'), compression, rate)
  return [
    label,
    spread(ratesOf(tally, rate)) ?? 'did not finish',
    yardstick.ratio(tally, tallies) ?? null,
    medianRatio(tally, best, rate) ?? null,
    spread(runs.map(({ result }) => (result.cpuSeconds / result.messages) * 1e6)) ?? null,
    runs.length === 0 ? null : Math.round(median(runs.map(({ result }) => result.maxRssKib / 1024))),
    disorderCell(tally),
    sumOf(tally, (findings) => findings.losses),
    sumOf(tally, (findings) => findings.duplicates),
    runsCell(tally, one),
  ]
}

function chartOf({ title }: Case, tallies: readonly Tally[], rate: Rate): Chart {
  const bars = tallies.map((tally): Bar => {
    const { label, contestant } = tally.entry
    return { label, role: contestant.role, value: spread(ratesOf(tally, rate)) ?? 'did not finish' }
  })
  return {
    kind: 'bars',
    name: title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'),
    title: `Messages per second: ${title}`,
    unit: 'messages/s',
    scale: 'log',
    groups: [{ label: '', bars }],
  }
}

export function caseSection(one: Case, tallies: readonly Tally[], rate: Rate, yardstick: Yardstick): Section {
  const hasPeers = tallies.some(({ entry }) => entry.contestant.role === 'peer')
  const columns: Column[] = [
    { title: 'contestant' },
    { title: 'messages/s' },
    { title: yardstick.title },
    { title: 'x best peer' },
    ...COLUMNS,
  ]
  const isShown = (_: unknown, column: number): boolean => hasPeers || columns[column]?.title !== 'x best peer'
  return {
    title: one.title,
    prose: [],
    columns: columns.filter(isShown),
    rows: tallies.map((tally) => row(tally, tallies, one, rate, yardstick).filter(isShown)),
    charts: [chartOf(one, tallies, rate)],
  }
}

/** What went wrong in any run, once for each contestant. */
export function faultsOfCase(one: Case, tallies: readonly Tally[]): string[] {
  return tallies.flatMap((tally) => {
    const reasons = runsOf(tally).flatMap((run) => (run.kind === 'finished' ? [] : [`${run.kind}: ${run.reason}`]))
    return [...new Set(reasons)].map((reason) => `${one.title}, ${tally.entry.label}: ${reason}`)
  })
}

/** Of all that ended. */
export function versionsOf(tallies: readonly Tally[]): Record<string, string> {
  const versions = new Versions()
  for (const run of tallies.flatMap(runsOf)) if ('result' in run) versions.add(run.result)
  return versions.all()
}

/** Every run as it was measured, for the report's raw figures. */
export function rawCase(one: Case, tallies: readonly Tally[]): unknown {
  const contestants = tallies.map(({ entry, messages, verification, rounds }) => {
    const { id, role, properties } = entry.contestant
    return { id, label: entry.label, role, properties, compression: entry.compression, messages, verification, rounds }
  })
  return { ...one, contestants }
}
