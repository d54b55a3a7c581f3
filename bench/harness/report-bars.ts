/** Horizontal bars of medians in groups, with a whisker from the lowest to the highest run. */

import type { Bar, BarChart, BarGroup } from './report.js'
import type { Axis } from './report-axis.js'
import { axisOf, CHART_WIDTH, round, svgDocument, svgText, tickText } from './report-svg.js'
import { figure } from './report-text.js'
import type { Spread } from './statistics.js'

const LEFT = 350
const RIGHT = CHART_WIDTH - 100
const TOP = 40
const BAR_HEIGHT = 20
const ROW_HEIGHT = 28
const GROUP_HEIGHT = 30
const AXIS_HEIGHT = 34

const spreadOf = (value: number | Spread): Spread =>
  typeof value === 'number' ? { min: value, median: value, max: value } : value

export function barsSvg({ title, unit, scale, groups }: BarChart): string {
  const values = groups.flatMap(({ bars }) => bars.flatMap(({ value }) => limitsOf(value)))
  const axis = axisOf(scale, values)
  const shapes: string[] = []
  let y = TOP
  for (const group of groups) {
    shapes.push(...groupShapes(group, axis, y))
    y += groupHeight(group)
  }
  const grid = axis.ticks.flatMap((tick) => {
    const x = round(pixel(axis, tick))
    return [
      `<path class="grid" d="M${x} ${TOP}V${y}"/>`,
      svgText(x, y + 16, tickText(tick), { anchor: 'middle', kind: 'quiet' }),
    ]
  })
  const unitText = svgText(CHART_WIDTH - 8, y + 16, unit, { anchor: 'end', kind: 'quiet' })
  return svgDocument(title, y + AXIS_HEIGHT, [...grid, ...shapes, unitText])
}

function limitsOf(value: Bar['value']): number[] {
  if (typeof value === 'string') return []
  const { min, max } = spreadOf(value)
  return [min, max]
}

const pixel = (axis: Axis, value: number): number => LEFT + axis.position(value) * (RIGHT - LEFT)

function groupHeight({ label, bars }: BarGroup): number {
  return (label === '' ? 0 : GROUP_HEIGHT) + bars.length * ROW_HEIGHT
}

function groupShapes({ label, bars }: BarGroup, axis: Axis, top: number): string[] {
  const heading = label === '' ? [] : [svgText(16, top + GROUP_HEIGHT - 10, label, { kind: 'heading' })]
  const first = label === '' ? top : top + GROUP_HEIGHT
  return [...heading, ...bars.flatMap((bar, index) => barShapes(bar, axis, first + index * ROW_HEIGHT))]
}

function barShapes({ label, role, value }: Bar, axis: Axis, top: number): string[] {
  const middle = top + BAR_HEIGHT / 2
  const name = svgText(LEFT - 8, middle + 4, label, { anchor: 'end' })
  if (typeof value === 'string') return [name, svgText(LEFT + 6, middle + 4, value, { kind: 'quiet' })]
  const { min, median, max } = spreadOf(value)
  const [low, end, high] = [min, median, max].map((limit) => round(pixel(axis, limit)))
  return [
    name,
    `<rect class="${role}" x="${LEFT}" y="${top}" width="${round(Math.max((end ?? LEFT) - LEFT, 1))}" height="${BAR_HEIGHT}"/>`,
    ...(min === max ? [] : [`<path class="whisker" d="M${low} ${middle}H${high}"/>`]),
    svgText((high ?? LEFT) + 6, middle + 4, figure(median)),
  ]
}
