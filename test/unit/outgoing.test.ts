/** A record that a handler sends is checked field by field, and keeps null and empty apart. */
import { LanewayError, type OutgoingRecord } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { outgoing } from '../../ts/outgoing.js'

test('a topic is enough; the rest has defaults', () => {
  assert.equal(outgoing({ topic: 't' }), {
    topic: 't',
    partition: -1,
    key: null,
    value: null,
    timestamp: 0,
    headers: null,
  })
})

test('text becomes UTF-8, bytes stay the same bytes, null and empty are different', () => {
  const bytes = Uint8Array.of(0, 255)
  const record = outgoing({ topic: 't', key: 'ü', value: bytes, partition: 3, timestamp: 1_700_000_000_000 })
  assert.equal(record.key, Buffer.from([0xc3, 0xbc]))
  assert.is(record.value, bytes)
  assert.is(record.partition, 3)
  assert.is(record.timestamp, 1_700_000_000_000)
  const empty = outgoing({ topic: 't', key: '', value: null })
  assert.equal([empty.key, empty.value], [Buffer.alloc(0), null])
})

test('headers keep their order, their repetitions and their nulls', () => {
  const { headers } = outgoing({
    topic: 't',
    headers: [
      ['h', 'a'],
      ['h', null],
      ['', Uint8Array.of(1)],
    ],
  })
  assert.equal(headers, ['h', Buffer.from('a'), 'h', null, '', Uint8Array.of(1)])
  assert.equal(outgoing({ topic: 't', headers: [] }).headers, [])
})

test('what is impossible is refused with RECORD_INVALID, and the field is named', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [null, 'record'],
    ['t', 'record'],
    [{}, 'topic'],
    [{ topic: '' }, 'topic'],
    [{ topic: 7 }, 'topic'],
    [{ topic: 't', key: 7 }, 'key'],
    [{ topic: 't', value: { a: 1 } }, 'value'],
    [{ topic: 't', partition: -1 }, 'partition'],
    [{ topic: 't', partition: 1.5 }, 'partition'],
    [{ topic: 't', partition: 2 ** 31 }, 'partition'],
    [{ topic: 't', timestamp: -1 }, 'timestamp'],
    [{ topic: 't', timestamp: Number.NaN }, 'timestamp'],
    [{ topic: 't', timestamp: new Date() }, 'timestamp'],
    [{ topic: 't', headers: { a: 'b' } }, 'headers'],
    [{ topic: 't', headers: ['ab'] }, 'headers.0'],
    [
      {
        topic: 't',
        headers: [
          ['a', 'b'],
          [1, 'b'],
        ],
      },
      'headers.1',
    ],
    [{ topic: 't', headers: [null] }, 'headers.0'],
    [{ topic: 't', headers: [['a', 5]] }, 'headers.0'],
  ]
  for (const [record, field] of wrong) {
    try {
      outgoing(record as OutgoingRecord)
    } catch (error) {
      assert.ok(LanewayError.is(error), `${JSON.stringify(record)} throws ${error}`)
      assert.is(error.code, 'RECORD_INVALID')
      assert.is(error.issues[0]?.field, field)
      continue
    }
    assert.unreachable(`${JSON.stringify(record)} was accepted`)
  }
})

test.run()
