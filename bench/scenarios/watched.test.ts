/** The scenarios that watch contestants while they run, each once and shortly on the mock cluster. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bigLagStart } from './big-lag-start.js'
import { hotKey } from './hot-key.js'
import { measureOnMock } from './on-mock.js'
import type { Scenario } from './scenario.js'
import { soak } from './soak.js'
import { stalledHead } from './stalled-head.js'

const SMALL = { messages: 500, size: 100, keys: 20, partitions: 2, concurrency: 10 }

/** With the rows of each section; undefined where they depend on the machine. */
const CASES: readonly (readonly [scenario: Scenario, options: object, rows: readonly (number | undefined)[]])[] = [
  [hotKey, { ...SMALL, wait: 1, celebrities: 2, seconds: 1 }, [1, 1]],
  [bigLagStart, SMALL, [2]],
  [stalledHead, { ...SMALL, messages: 2_000, keys: 1_000 }, [3, 1]],
  [soak, { ...SMALL, minutes: 0.03, perSecond: 500 }, [2, undefined, undefined]],
]

for (const [scenario, options, rows] of CASES) {
  test(`${scenario.id} measures every contestant that is able, and finds nothing wrong`, async () => {
    const { faults, sections, keyFigure } = await measureOnMock(scenario, ['c-loop-batch', 'laneway-key'], options)
    assert.equal(faults, [])
    assert.is(sections.length, rows.length)
    for (const [index, section] of sections.entries()) {
      assert.is(section.rows.length, rows[index] ?? section.rows.length)
      for (const row of section.rows) assert.is(row.length, section.columns.length)
    }
    assert.match(keyFigure, /\d/)
  })
}

test.run()
