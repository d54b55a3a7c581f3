/** `laneway demo`: parallel, in order, nothing lost, checked by a ledger, on an embedded broker. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { laneway, onlyDocument } from './laneway.js'

function sum(values: unknown): number {
  return Object.values(Object(values)).reduce((total: number, value) => total + Number(value), 0)
}

for (const order of ['key', 'partition', 'none']) {
  test(`in order '${order}' every promise is kept, and everything is committed`, async () => {
    const options = [
      '--messages',
      '4000',
      '--keys',
      '40',
      '--order',
      order,
      '--work-ms',
      order === 'partition' ? '0' : '1',
    ]
    const ended = await laneway(['demo', ...options, '--json'])
    assert.is(ended.status, 0, ended.stderr)
    const { messages, processed, inversions, lost, duplicates, committed, durationMs, ...rest } = onlyDocument(ended)
    assert.equal(
      { messages, processed, inversions, lost, duplicates },
      {
        messages: 4_000,
        processed: 4_000,
        inversions: 0,
        lost: 0,
        duplicates: 0,
      },
    )
    assert.is(sum(committed), 4_000)
    assert.ok(Number(durationMs) > 0)
    assert.ok(Number(rest['messagesPerSecond']) > 0)
  })
}

test('more than the broker keeps at once passes through without a loss', async () => {
  const ended = await laneway(['demo', '--messages', '200000', '--partitions', '1', '--json'])
  assert.is(ended.status, 0, ended.stderr)
  const { processed, lost } = onlyDocument(ended)
  assert.equal([processed, lost], [200_000, 0])
})

test('without --json a person reads the summary', async () => {
  const { status, stdout } = await laneway(['demo', '--messages', '100'])
  assert.is(status, 0)
  assert.match(stdout, 'every promise kept')
})

test.run()
