/** Messages as handlers see them: views over one buffer, decoded only when asked, valid for as long as they are kept. */
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BatchMessage, MessageBatch } from '../../ts/message-batch.js'
import { type WrittenMessage, writeBatch } from './written-batch.js'

const place = { topic: 'orders', partition: 3 }

function messageOf(written: WrittenMessage): BatchMessage {
  return new BatchMessage(new MessageBatch(writeBatch(1, [{ partition: 0, messages: [written] }])), 0, place)
}

test('keys, values and values of headers are Buffers as any other', () => {
  const { key, value, headers } = messageOf({ offset: 0, key: 'k', value: '', headers: [['name', 'v']] })
  // Prototypes, too: users compare with Buffers of their own, and libraries ask Buffer.isBuffer().
  deepStrictEqual(key, Buffer.from('k'))
  deepStrictEqual(value, Buffer.alloc(0))
  deepStrictEqual(headers, [['name', Buffer.from('v')]])
  for (const bytes of [key, value]) assert.ok(Buffer.isBuffer(bytes))
})

test('every field of a message comes back as it was written', () => {
  const message = messageOf({
    offset: 2 ** 53 - 1,
    timestamp: 1_700_000_000_123,
    key: 'schlüssel',
    value: 'wert',
    headers: [
      ['trace', 'a'],
      ['empty', ''],
      ['none', null],
      ['trace', 'again'],
    ],
  })
  assert.is(message.topic, 'orders')
  assert.is(message.partition, 3)
  assert.is(message.offset, 2 ** 53 - 1)
  assert.is(message.timestamp, 1_700_000_000_123)
  assert.is(message.key?.toString(), 'schlüssel')
  assert.is(message.value?.toString(), 'wert')
  assert.equal(
    message.headers.map(([name, value]) => [name, value?.toString() ?? null]),
    [
      ['trace', 'a'],
      ['empty', ''],
      ['none', null],
      ['trace', 'again'],
    ],
  )
})

test('null and empty are different, for the key and for the value', () => {
  assert.is(messageOf({ offset: 0 }).key, null)
  assert.is(messageOf({ offset: 0 }).value, null)
  assert.is(messageOf({ offset: 0, key: '' }).key?.length, 0)
  assert.is(messageOf({ offset: 0, value: '' }).value?.length, 0)
  assert.is(messageOf({ offset: 0, key: null, value: 'v' }).value?.toString(), 'v')
  assert.is(messageOf({ offset: 0, key: 'k', value: null, headers: [['h', 'x']] }).headers[0]?.[1]?.toString(), 'x')
})

test('a message without a timestamp says -1, one without headers has none', () => {
  assert.is(messageOf({ offset: 0 }).timestamp, -1)
  assert.equal(messageOf({ offset: 0, value: 'v' }).headers, [])
})

test('a batch knows its runs, and the lease of every message', () => {
  const batch = new MessageBatch(
    writeBatch(1_000, [
      { partition: 7, messages: [{ offset: 1 }, { offset: 4, attempt: 2 }] },
      { partition: 9, messages: [{ offset: 2, slot: 77 }] },
    ]),
  )
  assert.is(batch.count, 3)
  assert.is(batch.runs, 2)
  assert.is(batch.firstLease, 1_000)
  assert.equal([...batch.runStarts], [0, 2, 3])
  assert.equal([...batch.runPartitions], [7, 9])
  assert.equal([...batch.offsets], [1, 4, 2])
  assert.equal([...batch.attempts], [1, 2, 1])
  assert.equal([...batch.slots], [1, 4, 77])
})

test('an empty batch is a batch', () => {
  const batch = new MessageBatch(writeBatch(0, []))
  assert.is(batch.count, 0)
  assert.is(batch.runs, 0)
  assert.equal([...batch.runStarts], [0])
})

test('a kept message keeps its bytes when later batches come', () => {
  const kept = messageOf({ offset: 5, key: 'kept', value: 'first' })
  for (let i = 0; i < 1_000; i += 1) messageOf({ offset: i, key: 'other', value: 'later' })
  assert.is(kept.key?.toString(), 'kept')
  assert.is(kept.value?.toString(), 'first')
})

test.run()
