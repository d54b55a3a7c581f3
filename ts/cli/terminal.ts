/**
 * What the commands show: a block of lines that is redrawn in place on a terminal, a line now and then elsewhere, and
 * pictures made of block characters. Results go to stdout, all else to stderr.
 */

const CLEAR_DOWN = '\x1b[J'
const QUIET_INTERVAL_MS = 5_000

/** Redraws in place on a terminal; elsewhere writes the first line every few seconds. */
export class LiveBlock {
  readonly #stream: NodeJS.WriteStream
  #height = 0
  #lastLineAt = 0

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  draw(lines: readonly string[]): void {
    if (!this.#stream.isTTY) {
      const now = performance.now()
      if (now - this.#lastLineAt < QUIET_INTERVAL_MS) return
      this.#lastLineAt = now
      this.#stream.write(`${lines[0] ?? ''}\n`)
      return
    }
    const width = this.#stream.columns || 80
    const up = this.#height > 0 ? `\x1b[${this.#height}A` : ''
    this.#stream.write(`${up}\r${CLEAR_DOWN}${lines.map((line) => `${line.slice(0, width - 1)}\n`).join('')}`)
    this.#height = lines.length
  }
}

const SHADES = ['█', '▓', '▒', '░', '·']

/** One character for each part of a range: full where nothing is missing, a dot where nothing is settled. */
export function gapPicture(base: number, highest: number, gaps: ArrayLike<number>, width: number): string {
  const length = highest - base + 1
  if (length <= 0) return ''
  const cells = Math.min(width, length)
  const missing = new Array<number>(cells).fill(0)
  for (let i = 0; i < gaps.length; i += 1) {
    const cell = Math.min(Math.floor((((gaps[i] ?? base) - base) / length) * cells), cells - 1)
    missing[cell] = (missing[cell] ?? 0) + 1
  }
  const size = length / cells
  return missing.map((count) => SHADES[Math.min(Math.ceil((count / size) * (SHADES.length - 1)), 4)] ?? '·').join('')
}

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** A table with aligned columns. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Exactly one JSON document. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
