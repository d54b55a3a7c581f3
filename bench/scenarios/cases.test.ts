/** The scenarios that measure messages/s, each once over a few messages on the mock cluster: what they say is whole. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keyedCpu } from './keyed-cpu.js'
import { keyedIo } from './keyed-io.js'
import { manyKeys } from './many-keys.js'
import { manyPartitions } from './many-partitions.js'
import { measureOnMock } from './on-mock.js'
import type { Scenario } from './scenario.js'
import { throughput } from './throughput.js'

const CONTESTANTS = ['c-loop-batch', 'laneway-key', 'laneway-unordered']
const SMALL = { messages: 300, keys: 20, partitions: 2, concurrency: 10, patience: 20 }

const CASES: readonly (readonly [scenario: Scenario, options: object, titles: readonly string[], rows: number])[] = [
  [throughput, { ...SMALL, sizes: [1000], compression: ['lz4', 'none'] }, ['1,000 B, lz4', '1,000 B, uncompressed'], 3],
  [
    keyedIo,
    { ...SMALL, seconds: 10, waits: [1], distributions: ['uniform', 'zipf'], concurrency: [10] },
    ['uniform keys, 1 ms, concurrency 10', 'zipf keys, 1 ms, concurrency 10'],
    2,
  ],
  [keyedCpu, { ...SMALL, micros: 10 }, ['10 µs of CPU'], 2],
  [manyKeys, { messages: 300, steps: [10, 100], patience: 20 }, ['10 keys', '100 keys'], 3],
  [manyPartitions, { messages: 300, steps: [1, 4], patience: 20 }, ['1 partition', '4 partitions'], 3],
]

for (const [scenario, options, titles, rows] of CASES) {
  test(`${scenario.id} measures every case and every contestant, and finds nothing wrong`, async () => {
    const { faults, sections, keyFigure, versions } = await measureOnMock(scenario, CONTESTANTS, options)
    assert.equal(faults, [])
    assert.equal(
      sections.map(({ title }) => title),
      titles,
    )
    assert.is(new Set(sections.flatMap(({ charts }) => charts.map(({ name }) => name))).size, titles.length)
    for (const section of sections) {
      assert.is(section.rows.length, rows)
      const order = section.columns.findIndex(({ title }) => title === 'messages/s')
      for (const row of section.rows) {
        assert.is(row.length, section.columns.length)
        assert.type(row[order], 'object', `${row[0]} has a rate`)
      }
    }
    assert.match(keyFigure, /x the /)
    assert.ok(Object.hasOwn(versions, 'librdkafka'))
  })
}

test.run()
