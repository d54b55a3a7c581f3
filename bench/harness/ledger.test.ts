/** Whatever a contestant does wrong is found, and nothing else. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LedgerWriter, RECORD_BYTES } from '../contestants/ledger-writer.js'
import { checkLedger, faultsOf, Ledger, readLedger } from './ledger.js'
import { ledgerOf, type Noted } from './ledger-of.js'

/** Three messages of key 0, two of key 2; key 1 has none. */
const PRODUCED = ledgerOf([
  ['start', 0, 0, 100],
  ['start', 2, 0, 101],
  ['start', 0, 1, 102],
  ['start', 2, 1, 103],
  ['start', 0, 2, 104],
])

/** Key 0 and key 2 side by side, each in order: 66 µs of work in 50. */
const HANDLED: readonly Noted[] = [
  ['start', 0, 0, 1000],
  ['start', 2, 0, 1001],
  ['end', 0, 0, 1010],
  ['end', 2, 0, 1011],
  ['start', 0, 1, 1012],
  ['end', 0, 1, 1022],
  ['start', 2, 1, 1023],
  ['start', 0, 2, 1024],
  ['end', 2, 1, 1033],
  ['end', 0, 2, 1050],
]

const faults = (handled: readonly Noted[], keepsKeyOrder = true): string[] =>
  faultsOf(checkLedger(PRODUCED, ledgerOf(handled)), { keepsKeyOrder })

const without = (index: number, count = 1): Noted[] => HANDLED.toSpliced(index, count)

test('what is right has no faults, and its work is measured', () => {
  assert.equal(faults(HANDLED), [])
  const { messages, seconds, workSeconds, longestChainSeconds } = checkLedger(PRODUCED, ledgerOf(HANDLED))
  assert.equal(messages, 5)
  assert.equal(Math.round(seconds * 1e6), 50)
  assert.equal(Math.round(workSeconds * 1e6), 66)
  assert.equal(Math.round(longestChainSeconds * 1e6), 46)
})

test('a message that is not handled, or not to its end, is lost', () => {
  assert.equal(faults(without(8)), ['1 lost'])
  assert.equal(faults(without(4, 2)), ['1 lost'])
  assert.equal(faults([]), ['5 lost'])
})

test('a message that is handled again came twice', () => {
  const again: Noted[] = [
    ['start', 0, 1, 2000],
    ['end', 0, 1, 2001],
  ]
  assert.equal(faults([...HANDLED, ...again]), ['1 twice'])
  assert.equal(faults([...HANDLED, ...again, ...again]), ['2 twice'])
})

test('a start before the end of the message before it breaks the order', () => {
  const overlap: Noted[] = [...HANDLED.slice(0, 2), ['start', 0, 1, 1005], ...without(4).slice(2)]
  assert.equal(faults(overlap), ['1 out of order'])
  assert.equal(faults(overlap, false), [])
})

test('a message that starts after a later one of its key breaks the order', () => {
  const late: Noted[] = [...HANDLED.slice(4), ...HANDLED.slice(0, 4)]
  assert.equal(faults(late), ['2 out of order'])
})

test('a repetition beside a running handler of its key breaks the order', () => {
  const beside: Noted[] = [...HANDLED.slice(0, 9), ['start', 0, 1, 1040], ['end', 0, 1, 1041], ...HANDLED.slice(9)]
  assert.equal(faults(beside), ['1 twice', '1 out of order'])
})

test('what was never produced and ends without a start are strays', () => {
  const stray = '1 that were never produced, or ended without a start'
  assert.equal(faults([...HANDLED, ['start', 2, 2, 2000]]), [stray])
  assert.equal(faults([...HANDLED, ['start', 1, 0, 2000]]), [stray])
  assert.equal(faults([...HANDLED, ['start', 99, 0, 2000]]), [stray])
  assert.equal(faults([...HANDLED, ['end', 0, 2, 2000]]), [stray])
})

test('a truncated file is refused', () => {
  assert.throws(() => new Ledger(Buffer.alloc(RECORD_BYTES + 1)), /middle of a record/)
})

test("a producer's ledger with a hole is refused", () => {
  const produced = ledgerOf([
    ['start', 0, 0, 1],
    ['start', 0, 2, 2],
  ])
  assert.throws(() => checkLedger(produced, ledgerOf([])), /skips message 1 of key 0/)
})

for (const flush of ['each', 'end'] as const) {
  test(`a contestant's ledger reads as it was written (${flush})`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'laneway-ledger-'))
    const path = join(folder, 'ledger')
    const value = Buffer.from([7, 0, 1, 0, 0xff, 0xff, 0xff, 0x7f])
    const before = Date.now() * 1000
    const writer = new LedgerWriter(path, flush)
    // More than one buffer of records.
    for (let i = 0; i < 5000; i += 1) writer.started(value)
    writer.ended(value)
    writer.close()
    const ledger = await readLedger(path)
    assert.is(ledger.length, 5001)
    assert.equal([ledger.isEnd(4999), ledger.isEnd(5000)], [false, true])
    assert.equal([ledger.key(5000), ledger.sequence(5000)], [65_543, 0x7fffffff])
    assert.ok(ledger.micros(5000) >= before - 10_000 && ledger.micros(5000) <= Date.now() * 1000 + 10_000)
    await rm(folder, { recursive: true })
  })
}

test.run()
