/**
 * What both kinds of chart have in common: the frame with its accessible title, and colours that are readable on a light
 * and on a dark page. Colours come as classes, so that renderers without media queries show the light ones.
 */
import { type Axis, linearAxis, logAxis } from './report-axis.js'

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.heading { font-size: 13px; font-weight: 600 }
.quiet { fill: #59636e }
.paper { fill: #ffffff }
.grid { stroke: #d1d9e0; fill: none }
.whisker { stroke: #1f2328; stroke-width: 1.5; fill: none }
.line { stroke-width: 2; fill: none }
.limit { fill: #818b98 } .laneway { fill: #0969da } .peer { fill: #bf6a00 }
.c0 { stroke: #818b98 } .c1 { stroke: #0969da } .c2 { stroke: #bf6a00 } .c3 { stroke: #1a7f37 }
.c4 { stroke: #8250df } .c5 { stroke: #cf222e } .c6 { stroke: #1b7c83 } .c7 { stroke: #bf3989 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .paper { fill: #0d1117 }
  .grid { stroke: #3d444d }
  .whisker { stroke: #f0f6fc }
  .limit { fill: #6e7681 } .laneway { fill: #4493f8 } .peer { fill: #db8b28 }
  .c0 { stroke: #9198a1 } .c1 { stroke: #4493f8 } .c2 { stroke: #db8b28 } .c3 { stroke: #3fb950 }
  .c4 { stroke: #ab7df8 } .c5 { stroke: #f85149 } .c6 { stroke: #39c5cf } .c7 { stroke: #f778ba }
}
`

export const CHART_WIDTH = 900

export function svgDocument(title: string, height: number, shapes: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${CHART_WIDTH} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '<rect class="paper" width="100%" height="100%"/>',
    `<text class="heading" x="16" y="22">${escapeXml(title)}</text>`,
    ...shapes,
    '</svg>',
    '',
  ].join('\n')
}

interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly kind?: 'heading' | 'quiet'
}

export function svgText(x: number, y: number, text: string, { anchor = 'start', kind }: TextStyle = {}): string {
  const style = kind === undefined ? '' : ` class="${kind}"`
  return `<text${style} x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeXml(text)}</text>`
}

/** A tenth of a pixel is enough. */
export const round = (pixels: number): number => Math.round(pixels * 10) / 10

export function axisOf(scale: 'linear' | 'log', values: readonly number[]): Axis {
  return scale === 'log' ? logAxis(values) : linearAxis(values)
}

/** 20K, 0.5. */
export function tickText(value: number): string {
  return value.toLocaleString('en', { notation: 'compact', maximumSignificantDigits: 3 })
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
