/** Lines over a common axis: latencies by percentile, or figures over time. Colour and dashes tell them apart. */

import type { Line, LineChart } from './report.js'
import type { Axis } from './report-axis.js'
import { linearAxis } from './report-axis.js'
import { axisOf, CHART_WIDTH, round, svgDocument, svgText, tickText } from './report-svg.js'

const LEFT = 70
const RIGHT = CHART_WIDTH - 280
const TOP = 56
const BOTTOM = 336
const LEGEND_ROW = 20
const COLOURS = 8
const DASHES = ['', '7 3', '2 3']

export function linesSvg({ title, unit, scale, x, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points)
  const across = x.names === undefined ? linearAxis(points.map(([at]) => at)) : namedAxis(x.names)
  const up = axisOf(
    scale,
    points.map(([, value]) => value),
  )
  const shapes = [
    svgText(LEFT, TOP - 12, unit, { anchor: 'end', kind: 'quiet' }),
    ...horizontalGrid(up),
    ...across.ticks.map((tick) => {
      const name = x.names === undefined ? tickText(tick) : (x.names[tick] ?? '')
      return svgText(column(across, tick), BOTTOM + 18, name, { anchor: 'middle', kind: 'quiet' })
    }),
    svgText((LEFT + RIGHT) / 2, BOTTOM + 38, x.title, { anchor: 'middle', kind: 'quiet' }),
    ...lines.flatMap((line, index) => lineShapes(line, index, across, up)),
  ]
  const legendEnd = TOP + lines.length * LEGEND_ROW
  return svgDocument(title, Math.max(BOTTOM + 54, legendEnd + 16), shapes)
}

function namedAxis(names: readonly string[]): Axis {
  return { position: (value) => value / Math.max(names.length - 1, 1), ticks: [...names.keys()] }
}

const column = (axis: Axis, value: number): number => LEFT + axis.position(value) * (RIGHT - LEFT)
const row = (axis: Axis, value: number): number => BOTTOM - axis.position(value) * (BOTTOM - TOP)

function horizontalGrid(up: Axis): string[] {
  return up.ticks.flatMap((tick) => {
    const y = round(row(up, tick))
    return [
      `<path class="grid" d="M${LEFT} ${y}H${RIGHT}"/>`,
      svgText(LEFT - 8, y + 4, tickText(tick), { anchor: 'end', kind: 'quiet' }),
    ]
  })
}

function lineShapes({ label, points }: Line, index: number, across: Axis, up: Axis): string[] {
  const dashes = DASHES[Math.floor(index / COLOURS) % DASHES.length]
  const style = `class="line c${index % COLOURS}"${dashes === '' ? '' : ` stroke-dasharray="${dashes}"`}`
  const path = points.map(([x, y]) => `${round(column(across, x))} ${round(row(up, y))}`).join('L')
  const y = TOP + index * LEGEND_ROW
  return [
    ...(points.length === 0 ? [] : [`<path ${style} d="M${path}"/>`]),
    `<path ${style} d="M${RIGHT + 16} ${y}h24"/>`,
    svgText(RIGHT + 46, y + 4, label),
  ]
}
