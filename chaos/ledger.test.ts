/** A ledger outlives its writer, comes back as it was written, and several read as one. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inOrderOfTime, type LedgerEvent, LedgerWriter, ledgerOf } from './ledger.js'

const folder = mkdtempSync(join(tmpdir(), 'laneway-ledger-'))
test.after(() => rmSync(folder, { recursive: true }))

const START = { event: 'start', topic: 't', partition: 1, offset: 2, key: null, value: '2' } as const
const RUN = { epoch: 3, attempt: 1, run: 4, taken: 5 }

test('events come back as they were written, with the time of the writing', () => {
  const path = join(folder, 'whole.jsonl')
  const writer = new LedgerWriter(path)
  writer.write({ ...START, ...RUN })
  writer.write({ event: 'revoked', lost: true, partitions: [1, 2] })
  const [start, revoked, ...more] = ledgerOf('one', path).events()
  writer.close()
  assert.is(more.length, 0)
  assert.equal({ ...start, mono: 0, wall: 0 }, { ...START, ...RUN, mono: 0, wall: 0 })
  assert.equal({ ...revoked, mono: 0, wall: 0 }, { event: 'revoked', lost: true, partitions: [1, 2], mono: 0, wall: 0 })
  assert.ok((start?.mono ?? 0) > 0 && (start?.mono ?? 0) <= (revoked?.mono ?? 0))
})

test('a line that a kill cut short is left out', () => {
  const path = join(folder, 'cut.jsonl')
  const writer = new LedgerWriter(path)
  writer.write({ event: 'ended' })
  writer.close()
  appendFileSync(path, '{"event":"start","mono":12')
  assert.equal(
    [...ledgerOf('one', path).events()].map(({ event }) => event),
    ['ended'],
  )
})

test('a line that is no event is refused, by its file and number', () => {
  const path = join(folder, 'wrong.jsonl')
  appendFileSync(path, '{"event":"ended","mono":1,"wall":1}\n{"event":"nonsense","mono":1,"wall":1}\n')
  assert.throws(
    () => [...ledgerOf('one', path).events()],
    (error: Error) => error.message.includes(`${path}:2`),
  )
})

test('many lines are read, whatever the chunks they are read in', () => {
  const path = join(folder, 'long.jsonl')
  const writer = new LedgerWriter(path)
  for (let run = 0; run < 5_000; run += 1) writer.write({ ...START, ...RUN, run })
  writer.close()
  const runs = [...ledgerOf('one', path).events()].map((event) => (event.event === 'start' ? event.run : -1))
  assert.equal(
    runs,
    Array.from({ length: 5_000 }, (_, run) => run),
  )
})

test('several ledgers are read in the order of time, and each in its own order', () => {
  const ended = (mono: number, code: string): LedgerEvent => ({ event: 'ended', mono, wall: 0, code })
  const one = { writer: 'one', events: () => [ended(1, 'a'), ended(4, 'd'), ended(4, 'e')] }
  const two = { writer: 'two', events: () => [ended(2, 'b'), ended(3, 'c'), ended(9, 'f')] }
  const none = { writer: 'none', events: () => [] }
  const read = [...inOrderOfTime([one, none, two])]
  assert.equal(
    read.map(([writer, event]) => [writer, event.event === 'ended' ? event.code : '']),
    [
      ['one', 'a'],
      ['two', 'b'],
      ['two', 'c'],
      ['one', 'd'],
      ['one', 'e'],
      ['two', 'f'],
    ],
  )
})

test.run()
