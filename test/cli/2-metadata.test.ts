/** `laneway metadata`: one line out for each line in, whatever comes in. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { laneway, linesOf, startLaneway } from './laneway.js'

const maps = [
  { base: 10, highest: 20, gaps: [10, 13] },
  { base: 0, highest: 1, gaps: [0] },
  { base: 100, highest: 4_000, gaps: [100, 101, 2_000, 3_999] },
  { base: 2 ** 53 - 100, highest: 2 ** 53 - 2, gaps: [2 ** 53 - 100, 2 ** 53 - 50] },
]

const toLines = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')

async function roundTrip(encodeOptions: readonly string[]): Promise<unknown[]> {
  const encoded = linesOf(await laneway(['metadata', 'encode', ...encodeOptions], toLines(maps)))
  const commits = encoded.map((line, i) => ({ offset: maps[i]?.base, metadata: Object(line).metadata }))
  return linesOf(await laneway(['metadata', 'decode'], toLines(commits)))
}

for (const [format, carrier] of [
  ['laneway', 'base32768'],
  ['laneway', 'base64'],
  ['confluent', 'base64'],
] as const) {
  test(`${format} in ${carrier}: what is encoded decodes to the same`, async () => {
    const decoded = await roundTrip(['--format', format, '--carrier', carrier])
    assert.equal(
      decoded,
      maps.map((map) => ({ format, ...map })),
    )
  })
}

test('units are UTF-16 code units, and base32768 needs fewer of them', async () => {
  const line = toLines([{ base: 0, highest: 5_000, gaps: Array.from({ length: 500 }, (_, i) => i * 10) }])
  const [dense, plain] = await Promise.all(
    ['base32768', 'base64'].map(async (carrier) => {
      const [encoded] = linesOf(await laneway(['metadata', 'encode', '--carrier', carrier], line))
      const { metadata, units } = Object(encoded)
      assert.is(units, String(metadata).length)
      return Number(units)
    }),
  )
  assert.ok((dense ?? 0) * 2 < (plain ?? 0), `${dense} and ${plain} units`)
})

test('empty metadata says that nothing above the offset is settled', async () => {
  const [decoded] = linesOf(await laneway(['metadata', 'decode'], toLines([{ offset: 5, metadata: '' }])))
  assert.equal(decoded, { format: 'none', base: 5, highest: 4, gaps: [] })
})

test('a map without anything settled is empty metadata', async () => {
  const [encoded] = linesOf(await laneway(['metadata', 'encode'], toLines([{ base: 5, highest: 4, gaps: [] }])))
  assert.equal(encoded, { metadata: '', units: 0 })
})

test('a line that is not valid gets an error, and the next line is read', async () => {
  const lines = [
    'not json',
    '',
    'null',
    '{"offset":5}',
    '{"offset":-1,"metadata":""}',
    '{"offset":5,"metadata":"foreign"}',
  ]
  const ended = await laneway(['metadata', 'decode'], `${lines.join('\n')}\n{"offset":5,"metadata":""}\n`)
  assert.is(ended.status, 0)
  const answers = linesOf(ended)
  assert.is(answers.length, lines.length + 1)
  for (const answer of answers.slice(0, -1)) {
    const { code, message } = Object(Object(answer).error)
    assert.match(String(code), /^METADATA_(INVALID|FOREIGN|CORRUPT)$/)
    assert.type(message, 'string')
  }
  assert.is(Object(answers.at(-1)).format, 'none')
})

test('white space and separators inside a line do not end it', async () => {
  const lines = '{"offset":5,\r"metadata":""}\r\n{"offset":5,"metadata":"a\u2028b"}\n'
  const answers = linesOf(await laneway(['metadata', 'decode'], lines))
  assert.equal(answers[0], { format: 'none', base: 5, highest: 4, gaps: [] })
  assert.is(Object(Object(answers[1]).error).code, 'METADATA_FOREIGN')
  assert.is(answers.length, 2)
})

test('a reader that has had enough ends the command, without an error', async () => {
  const many = toLines(Array.from({ length: 20_000 }, () => ({ base: 10, highest: 20, gaps: [10] })))
  const { child, ended } = startLaneway(['metadata', 'encode'], many)
  child.stdout?.once('data', () => child.stdout?.destroy())
  const { status, stderr } = await ended
  assert.is(status, 0)
  assert.is(stderr, '')
})

test('a gap map that cannot exist is refused, by field', async () => {
  const refused: readonly (readonly [line: unknown, says: RegExp])[] = [
    [{ base: 10, highest: 8, gaps: [] }, /highest/],
    [{ base: 10, highest: 20, gaps: [9] }, /gap/],
    [{ base: 10, highest: 20, gaps: [21] }, /gap/],
    [{ base: 10, highest: 20, gaps: [10, 20] }, /gap 20 is the highest/],
    [{ base: 10, highest: 9, gaps: [10] }, /gap 10 lies outside/],
    [{ base: 2 ** 53 - 2, highest: 2 ** 53 - 1, gaps: [2 ** 53 - 2] }, /highest must be below 9007199254740991/],
    [{ base: 2 ** 53 - 1, highest: 2 ** 53 - 1, gaps: [] }, /highest must be below/],
    [{ base: 1.5, highest: 20, gaps: [] }, /base/],
    [{ base: -1, highest: 20, gaps: [] }, /base/],
    [{ base: 2 ** 53, highest: 2 ** 53, gaps: [] }, /base/],
    [{ base: 0, highest: 2 ** 53 - 1, gaps: [] }, /highest/],
    [{ base: 0, highest: '5', gaps: [] }, /highest/],
    [{ base: 0, highest: 5, gaps: 'none' }, /gaps/],
    [{ base: 0, highest: 5, gaps: [null] }, /gaps/],
  ]
  const answers = linesOf(await laneway(['metadata', 'encode'], toLines(refused.map(([line]) => line))))
  answers.forEach((answer, i) => {
    const { code, message } = Object(Object(answer).error)
    assert.is(code, 'METADATA_INVALID')
    assert.match(String(message), refused[i]?.[1] ?? /never/)
  })
  assert.is(answers.length, refused.length)
})

/** A Confluent BitSet v2 of `length` offsets, of which the highest is settled. */
function confluentBits(length: number): string {
  const bytes = Buffer.alloc(5 + Math.ceil(length / 8))
  bytes.write('o')
  bytes.writeInt32BE(length, 1)
  bytes.writeUInt8(1 << ((length - 1) % 8), bytes.length - 1)
  return bytes.toString('base64')
}

test('known defect: a map that reaches past the largest exact offset is corrupt, and no number is rounded', async () => {
  const most = Number.MAX_SAFE_INTEGER
  const commits = [
    { offset: most - 3, metadata: confluentBits(16) },
    { offset: most - 3, metadata: confluentBits(4) },
    { offset: most - 3, metadata: confluentBits(3) },
    { offset: most, metadata: confluentBits(1) },
  ]
  const [far, over, last, highest] = linesOf(await laneway(['metadata', 'decode'], toLines(commits))).map(Object)
  for (const { error } of [far, over, highest]) {
    assert.is(error.code, 'METADATA_CORRUPT')
    assert.match(error.message, /covers \d+ offsets from \d+, which leaves the range of 0 to 9007199254740991/)
  }
  assert.equal(last, { format: 'confluent', base: most - 3, highest: most - 1, gaps: [most - 3, most - 2] })
})

test('known defect: a map of the Java library that begins with a settled offset is written as it is', async () => {
  const [encoded] = linesOf(
    await laneway(['metadata', 'encode', '--format', 'confluent'], toLines([{ base: 10, highest: 12, gaps: [11] }])),
  )
  const commit = { offset: 10, metadata: Object(encoded).metadata }
  const [decoded] = linesOf(await laneway(['metadata', 'decode'], toLines([commit])))
  assert.equal(decoded, { format: 'confluent', base: 10, highest: 12, gaps: [11] })
})

test('a map that does not fit is cut from the top, and says so', async () => {
  // Scattered without a pattern that a coder could use.
  const gaps = Array.from({ length: 2_000 }, (_, i) => i * 7 + ((i * 2_654_435_761) % 7))
  gaps[0] = 0
  const options = ['metadata', 'encode', '--max-units', '100']
  const [encoded] = linesOf(await laneway(options, toLines([{ base: 0, highest: 14_006, gaps }])))
  const { metadata, units, highest } = Object(encoded)
  assert.ok(units <= 100)
  assert.ok(highest < 14_006 && highest > 0)
  const [decoded] = linesOf(await laneway(['metadata', 'decode'], toLines([{ offset: 0, metadata }])))
  assert.equal(
    Object(decoded).gaps,
    gaps.filter((gap) => gap <= highest),
  )
})

test.run()
