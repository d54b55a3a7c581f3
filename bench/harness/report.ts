/**
 * What a benchmark has to say, whichever scenario it is: where and how it was measured, and sections of prose, a table
 * and charts. Scenarios build it; the terminal, Markdown and SVG renderings know nothing but this.
 */
import type { Machine } from './machine.js'
import type { Spread } from './statistics.js'

/** What a scenario finds out. */
export interface Findings {
  /** The answer in one sentence, with its figure: the line of the table of contents. */
  readonly keyFigure: string
  /** By the name of what was measured: librdkafka, kafkajs, Java. */
  readonly versions: Readonly<Record<string, string>>
  readonly sections: readonly Section[]
  /** How it was measured: paragraphs that hold for all sections. */
  readonly method: readonly string[]
  /** What could not take part, and why. */
  readonly absent: readonly Absent[]
  /** What went wrong: losses, broken order, runs that failed or hung. Where there are any, the benchmark fails. */
  readonly faults: readonly string[]
  /** Every run as it was measured, for programs. */
  readonly raw: unknown
}

/** The findings, and where and when they were made. */
export interface Report extends Findings {
  /** The scenario's id; its files are named after it. */
  readonly scenario: string
  readonly title: string
  /** What it answers, in one sentence. */
  readonly question: string
  /** Repeats the measurement. */
  readonly commandLine: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly seconds: number
  readonly machine: Machine
  /** Load averages over a minute; the one after the run holds the run itself. */
  readonly load: { readonly before: number; readonly after: number }
  /** What served the topics, in words. */
  readonly cluster: string
}

export interface Absent {
  readonly label: string
  readonly reason: string
}

export interface Section {
  readonly title: string
  readonly prose: readonly string[]
  readonly columns: readonly Column[]
  /** As many cells as there are columns. */
  readonly rows: readonly (readonly Cell[])[]
  readonly charts: readonly Chart[]
}

export interface Column {
  readonly title: string
  /** Of its figures; a column without one holds text or plain counts. */
  readonly unit?: Unit
}

export type Unit = 'messages/s' | 'x' | 'ns' | 'µs' | 'ms' | 's' | 'MiB' | 'messages' | '%'

/** A figure is a number, or the spread of several; null where there is nothing to say. */
export type Cell = string | number | Spread | null

/** What a contestant is compared as; charts colour bars by it. */
export type Role = 'limit' | 'laneway' | 'peer'

export type Chart = BarChart | LineChart

interface ChartFrame {
  /** Tells the charts of a report apart in their file names; '' where there is but one. */
  readonly name: string
  /** What is shown, with what the axis measures: also what a screen reader reads. */
  readonly title: string
  readonly unit: Unit
  readonly scale: 'linear' | 'log'
}

/** Horizontal bars, with a whisker over the spread of each. */
export interface BarChart extends ChartFrame {
  readonly kind: 'bars'
  readonly groups: readonly BarGroup[]
}

export interface BarGroup {
  /** '' where there is but one group. */
  readonly label: string
  readonly bars: readonly Bar[]
}

export interface Bar {
  readonly label: string
  readonly role: Role
  /** A text stands in the place of a bar that has no figure, and says why. */
  readonly value: number | Spread | string
}

/** Lines over a common x axis; `unit` and `scale` are those of y. */
export interface LineChart extends ChartFrame {
  readonly kind: 'lines'
  readonly x: {
    readonly title: string
    /** Where x is no quantity, such as percentiles: the names of 0, 1, 2 and so on. */
    readonly names?: readonly string[]
  }
  readonly lines: readonly Line[]
}

export interface Line {
  readonly label: string
  readonly points: readonly (readonly [x: number, y: number])[]
}
