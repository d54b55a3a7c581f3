/** The ledger sees what it is there to see: a check that cannot fail proves nothing. */
import type { Message } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Ledger } from '../../ts/cli/ledger.js'
import { gapPicture } from '../../ts/cli/terminal.js'

function at(offset: number, key: string | null = 'k', partition = 0): Message {
  const bytes = key === null ? null : Buffer.from(key)
  return { topic: 't', partition, offset, timestamp: -1, key: bytes, value: null, headers: [] }
}

function handle(ledger: Ledger, ...messages: readonly Message[]): void {
  for (const message of messages) {
    ledger.start(message, 1)
    ledger.end(message)
  }
}

const found = ({ inversions, duplicates, processed, distinct }: Ledger) => ({
  inversions,
  duplicates,
  processed,
  distinct,
})

test('messages in order are in order, whatever other keys and partitions do', () => {
  const ledger = new Ledger('key')
  handle(ledger, at(5, 'a'), at(3, 'b'), at(1, 'a', 1), at(6, 'a'))
  assert.equal(found(ledger), { inversions: 0, duplicates: 0, processed: 4, distinct: 4 })
})

test('a key that goes back is an inversion', () => {
  const ledger = new Ledger('key')
  handle(ledger, at(2), at(1))
  assert.is(ledger.inversions, 1)
})

test('two messages of one key at once are an inversion, in the right order too', () => {
  const ledger = new Ledger('key')
  ledger.start(at(1), 1)
  ledger.start(at(2), 1)
  assert.is(ledger.inversions, 1)
})

test('a retry is none, but one that lets a later message pass is', () => {
  const ledger = new Ledger('key')
  ledger.start(at(1), 1)
  ledger.fail(at(1))
  ledger.start(at(1), 2)
  ledger.fail(at(1))
  assert.is(ledger.inversions, 0)
  handle(ledger, at(2))
  ledger.start(at(1), 3)
  assert.is(ledger.inversions, 1)
})

test('a message that ends twice is a duplicate; it counts as processed twice, but is one message', () => {
  const ledger = new Ledger('none')
  handle(ledger, at(1), at(1))
  assert.equal(found(ledger), { inversions: 0, duplicates: 1, processed: 2, distinct: 1 })
})

test("with order 'partition' keys do not matter, with 'none' nothing does", () => {
  const strict = new Ledger('partition')
  handle(strict, at(2, 'a'), at(1, 'b'))
  assert.is(strict.inversions, 1)
  const free = new Ledger('none')
  handle(free, at(2), at(1))
  assert.is(free.inversions, 0)
})

test('messages without a key have no order', () => {
  const ledger = new Ledger('key')
  handle(ledger, at(2, null), at(1, null))
  assert.is(ledger.inversions, 0)
})

test('a picture of gaps: full where all is settled, a dot where nothing is', () => {
  assert.is(gapPicture(0, -1, [], 10), '')
  assert.is(gapPicture(0, 3, [0], 10), '·███')
  const half = Array.from({ length: 50 }, (_, i) => i)
  assert.is(gapPicture(0, 99, half, 10), '·····█████')
  assert.is(
    gapPicture(
      0,
      99,
      half.map((i) => i * 2),
      2,
    ),
    '▒▒',
  )
})

test.run()
