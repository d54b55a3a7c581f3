/** A contestant is killed on the mock cluster: what it had handled and committed is not handled again. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { measureOnMock } from './on-mock.js'
import { restart } from './restart.js'

const OPTIONS = { messages: 500, stalledKeys: 2, size: 100, keys: 20, concurrency: 10 }

test('laneway repeats nothing that it has committed beside stalled messages', async () => {
  const { faults, sections } = await measureOnMock(restart, ['c-loop-batch', 'laneway-key'], OPTIONS)
  assert.equal(faults, [])
  const rows = sections.flatMap((section) => section.rows)
  assert.is(rows.length, 1, 'the C loop cannot stall')
  const [label, handled, repeated] = rows[0] ?? []
  assert.is(label, 'laneway, key')
  assert.ok(typeof handled === 'object' && handled !== null && handled.median > 0 && handled.median < OPTIONS.messages)
  assert.equal(repeated, { min: 0, median: 0, max: 0 })
})

test.run()
