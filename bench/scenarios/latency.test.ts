/** Latency on the mock cluster: each contestant at its own rates, and beside the C loop at the same ones. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { latency } from './latency.js'
import { measureOnMock } from './on-mock.js'

// A rate is a share of what this machine can do, and the mock keeps some ten thousand messages.
const OPTIONS = { messages: 2_000, seconds: 0.02, size: 100, keys: 20, partitions: 2, concurrency: 10 }

test('percentiles at three rates, and what laneway adds to those of the C loop', async () => {
  const { faults, sections } = await measureOnMock(latency, ['c-loop-batch', 'laneway-key'], OPTIONS)
  assert.equal(faults, [])
  assert.is(sections.length, 3)
  for (const { columns, rows } of sections) {
    const added = columns.findIndex(({ title }) => title.includes('p99 added'))
    const [limit, laneway] = rows
    assert.is(limit?.[added], null, 'the limit is not compared with itself')
    assert.type(laneway?.[added], 'number')
    assert.ok(rows.every((row) => row.at(-1) === '1 of 1'))
  }
})

test.run()
