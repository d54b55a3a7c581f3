/** The test runner prints what made a test fail, whatever was thrown, and goes on with the next test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../broker/package-root.js'
import { type Finished, runToEnd } from '../broker/run-to-end.js'

const PRELOAD = pathToFileURL(sourceFile('scripts/run/uvu/preload.mjs')).href
const DEADLINE_MS = 30_000

const folder = mkdtempSync(join(tmpdir(), 'laneway-uvu-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** A test file of its own, run as the runner does it. */
async function run(...lines: readonly string[]): Promise<Finished> {
  const file = join(folder, 'file.mjs')
  writeFileSync(file, ["import { suite, test } from 'uvu'", ...lines, ''].join('\n'))
  return runToEnd(process.execPath, ['--import', PRELOAD, file], { deadlineMs: DEADLINE_MS })
}

for (const [title, thrown, shown] of [
  [
    'details that are no text',
    "Object.assign(new Error('gone'), { details: { offset: 7 } })",
    /Error: gone.*offset: 7/s,
  ],
  ['text', "'only text'", /only text/],
  ['nothing', 'undefined', /undefined/],
  ['an ordinary error', "new RangeError('too far')", /too far.*file\.mjs/s],
] as const) {
  test(`what a test throws is printed: ${title}`, async () => {
    const { status, output } = await run(
      `test('first', () => { throw ${thrown} })`,
      "test('second', () => undefined)",
      'test.run()',
    )
    assert.is(status, 1)
    assert.match(output, /FAIL.*"first"/)
    assert.match(output, shown)
    assert.match(output, /Total: +2\s+Passed: +1/)
  })
}

test('so is what a hook throws: before the first test, and before each', async () => {
  const hook = "(() => { throw Object.assign(new Error('no broker'), { details: {} }) })"
  const before = await run(
    "const broken = suite('broken')",
    `broken.before${hook}`,
    "broken('one', () => 0)",
    'broken.run()',
  )
  assert.match(before.output, /FAIL {2}before the first test.*no broker/s)
  const each = await run(`test.before.each${hook}`, "test('one', () => 0)", 'test.run()')
  assert.match(each.output, /FAIL.*"one".*no broker/s)
})

test('the difference of what an assertion compared is printed as ever', async () => {
  const { output } = await run(
    `import * as assert from ${JSON.stringify(pathToFileURL(sourceFile('node_modules/uvu/assert/index.mjs')).href)}`,
    "test('one', () => assert.is(1, 2))",
    'test.run()',
  )
  assert.match(output, /Expected values to be strictly equal.*\+\+2.*--1/s)
})

test.run()
