/** Baselines change as a whole, and say when, by whom and why. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../../test/broker/package-root.js'
import { type Baselines, readBaselines, updated, writeBaselines } from './baselines.js'
import { CASES } from './cases.js'

const occasion = { date: '2026-01-02T03:04:05.000Z', commit: 'abc', reason: 'faster lanes', machine: 'CPU, 2 cores' }
const before: Baselines = { cases: { sync: { speed: 0.8, cpu: 0.6 }, io: { speed: 0.9 } }, history: [] }

test('a change keeps the other cases, and its old and new ratios are in the history', () => {
  const after = updated(
    before,
    new Map([
      ['sync', { speed: 0.9, cpu: 0.7 }],
      ['new', { speed: 1 }],
    ]),
    occasion,
  )
  assert.equal(after.cases, { sync: { speed: 0.9, cpu: 0.7 }, io: { speed: 0.9 }, new: { speed: 1 } })
  assert.equal(after.history, [
    {
      ...occasion,
      changes: [
        { case: 'sync', old: { speed: 0.8, cpu: 0.6 }, new: { speed: 0.9, cpu: 0.7 } },
        { case: 'new', old: null, new: { speed: 1 } },
      ],
    },
  ])
})

test('what is written is what is read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-baselines-'))
  try {
    const file = join(folder, 'baselines.json')
    const after = updated(before, new Map([['sync', { speed: 0.9 }]]), occasion)
    await writeBaselines(file, after)
    assert.equal(await readBaselines(file), after)

    await writeFile(file, '{ "cases": { "sync": { "speed": -1 } }, "history": [] }')
    try {
      await readBaselines(file)
      assert.unreachable('a negative ratio was read')
    } catch (error) {
      assert.match(String(error), 'baselines.json')
      assert.match(String(error), 'cases.sync.speed')
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the file of this repository has no case that the gate does not measure, and a reason for each that it has', async () => {
  const { cases, history } = await readBaselines(sourceFile('docs/bench_baselines.json'))
  const known = CASES.map(({ id }) => id)
  for (const [id, ratios] of Object.entries(cases)) {
    assert.ok(known.includes(id), id)
    const changes = history.flatMap((entry) => entry.changes).filter((change) => change.case === id)
    assert.equal(changes.at(-1)?.new, ratios, id)
  }
})

test.run()
