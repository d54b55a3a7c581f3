/** Lines of a stream: line feeds alone end them, wherever the chunks are cut, and none grows without a bound. */
import { Readable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { linesOf, TOO_LONG } from '../../ts/cli/lines.js'

async function linesIn(chunks: readonly (string | Buffer)[], maxLength = 1_000): Promise<(string | typeof TOO_LONG)[]> {
  const lines: (string | typeof TOO_LONG)[] = []
  const bytes = chunks.map((chunk) => Buffer.from(chunk))
  for await (const line of linesOf(Readable.from(bytes, { objectMode: false }), maxLength)) lines.push(line)
  return lines
}

test('a line feed ends a line; one at the very end begins no other', async () => {
  assert.equal(await linesIn(['a\nb\n']), ['a', 'b'])
  assert.equal(await linesIn(['a\nb']), ['a', 'b'])
  assert.equal(await linesIn(['\n\na\n']), ['', '', 'a'])
  assert.equal(await linesIn([]), [])
})

test('what else may end a line elsewhere does not here', async () => {
  assert.equal(await linesIn(['a\rb\u2028c\u2029d\r\n']), ['a\rb\u2028c\u2029d\r'])
})

test('lines and characters are whole wherever the chunks are cut', async () => {
  const text = 'größe 뤈\n𝄞 second\n\nlast'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= 5; size += 1) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    )
    assert.equal(await linesIn(chunks), text.split('\n'))
  }
})

test('a line above the limit is said to be too long, and the next one is read', async () => {
  assert.equal(await linesIn(['12345\n123456\n12345'], 5), ['12345', TOO_LONG, '12345'])
  assert.equal(await linesIn(['123', '456', '789\nnext'], 5), [TOO_LONG, 'next'])
  assert.equal(await linesIn(['1234567'], 5), [TOO_LONG])
})

test.run()
