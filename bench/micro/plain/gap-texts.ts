/** A gap map as text, as one would write it by hand: the gaps as JSON, or the lengths of runs as varints in base64. */

export interface Gaps {
  readonly base: number
  readonly highest: number
  /** Ascending; the highest offset is none. */
  readonly gaps: Float64Array
}

export function toJson({ base, highest, gaps }: Gaps): string {
  return JSON.stringify({ base, highest, gaps: Array.from(gaps) })
}

export function fromJson(text: string): number[] {
  const { gaps }: { gaps: number[] } = JSON.parse(text)
  return gaps
}

/** Runs of settled offsets and of gaps by turns, from the base on; the first one may be empty. */
export function toRunLengths({ base, highest, gaps }: Gaps): string {
  const bytes: number[] = []
  let next = base
  for (let at = 0; at < gaps.length; ) {
    const first = gaps[at] ?? 0
    let end = first
    for (; gaps[at] === end; at += 1) end += 1
    writeVarint(bytes, first - next)
    writeVarint(bytes, end - first)
    next = end
  }
  writeVarint(bytes, highest + 1 - next)
  return Buffer.from(bytes).toString('base64')
}

export function fromRunLengths(base: number, text: string): number[] {
  const gaps: number[] = []
  let next = base
  let isGap = false
  for (const length of readVarints(Buffer.from(text, 'base64'))) {
    if (isGap) for (let offset = next; offset < next + length; offset += 1) gaps.push(offset)
    next += length
    isGap = !isGap
  }
  return gaps
}

function writeVarint(bytes: number[], value: number): void {
  let left = value
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80)
  bytes.push(left)
}

function readVarints(bytes: Uint8Array): number[] {
  const values: number[] = []
  let value = 0
  let weight = 1
  for (const byte of bytes) {
    value += (byte & 0x7f) * weight
    weight *= 0x80
    if (byte >= 0x80) continue
    values.push(value)
    value = 0
    weight = 1
  }
  return values
}
