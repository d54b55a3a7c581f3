/** Micro benchmarks compare what does the same. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SUITES } from './index.js'
import { measureCase } from './measure.js'
import type { Case, Contender } from './suite.js'

const plan = { rounds: 1, milliseconds: 1 }

function contender(label: string, role: Contender['role'], outcome: unknown): Contender {
  return { label, role, run: () => outcome, check: () => outcome }
}

test('contenders that come to something else are not measured', async () => {
  const contenders = [contender('native', 'laneway', [1, 2]), contender('by hand', 'plain', [2, 1])]
  const odd: Case = { title: 'an odd case', operation: 'offset', operations: 1, contenders }
  try {
    await measureCase(odd, plan)
    assert.unreachable('it was measured')
  } catch (error) {
    assert.match(String(error), 'an odd case: "by hand" and "native" do not come to the same')
  }
})

test('what a call needs is prepared before each one', async () => {
  let prepared = 0
  let used = 0
  const use = (): void => {
    if (prepared === used) throw new Error('nothing was prepared')
    used = prepared
  }
  const needy: Contender = {
    label: 'needy',
    role: 'laneway',
    prepare: () => {
      prepared += 1
    },
    run: use,
    check: use,
  }
  const rows = await measureCase(
    { title: 'needs', operation: 'use', operations: 1, contenders: [needy, contender('by hand', 'plain', undefined)] },
    plan,
  )
  assert.ok(used > 1)
  assert.equal(
    rows.map(({ label }) => label),
    ['needy', 'by hand'],
  )
})

for (const suite of SUITES) {
  test(`the contenders of ${suite.id} come to the same`, async () => {
    await using opened = await suite.open()
    for (const each of opened.cases) {
      const roles = (await measureCase(each, plan)).map(({ role }) => role)
      assert.ok(roles.includes('laneway') && roles.includes('plain'), each.title)
    }
  })
}

test.run()
