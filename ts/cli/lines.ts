/**
 * Lines of a stream, bounded: JSON Lines end with a line feed and with nothing else (Node's readline ends a line at a
 * lone carriage return too, which is white space in JSON), and input without an end must not fill the memory.
 */
import type { Readable } from 'node:stream'

/** A line that was longer than the limit; its text is not kept. */
export const TOO_LONG: unique symbol = Symbol('too long')

/**
 * The lines of UTF-8 text without their line feeds; a line feed at the very end begins no further line.
 *
 * @param maxLength of one line, in UTF-16 units
 */
export async function* linesOf(stream: Readable, maxLength: number): AsyncGenerator<string | typeof TOO_LONG> {
  let parts: string[] = []
  let length = 0
  const take = (part: string): void => {
    length += part.length
    if (length <= maxLength) parts.push(part)
    else parts = []
  }
  const end = (): string | typeof TOO_LONG => {
    const line = length > maxLength ? TOO_LONG : parts.join('')
    parts = []
    length = 0
    return line
  }
  stream.setEncoding('utf8')
  for await (const chunk of stream as AsyncIterable<string>) {
    let from = 0
    for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', from)) {
      take(chunk.slice(from, at))
      from = at + 1
      yield end()
    }
    if (from < chunk.length) take(chunk.slice(from))
  }
  if (length > 0) yield end()
}
