/** Decoding keys and values: every decoder does its work, and whatever fails ends in one typed error. */
import { LanewayError } from 'laneway'
import protobuf from 'protobufjs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { DecodedMessage, type Decoder, decodeMessage, decoderOption, SchemaError } from '../../ts/decoding.js'
import { BatchMessage, MessageBatch } from '../../ts/message-batch.js'
import type { Message } from '../../ts/ports/engine.js'
import { writeBatch } from './written-batch.js'

type Bytes = Buffer | string | null
const bytesOf = (bytes: Bytes): Buffer | null => (typeof bytes === 'string' ? Buffer.from(bytes) : bytes)

function messageOf(value: Bytes, key: Bytes = null): Message {
  const headers = [['trace', Buffer.from('t-1')] as const]
  const place = { topic: 'orders', partition: 3, offset: 42, timestamp: 1_700_000_000_123 }
  return { ...place, key: bytesOf(key), value: bytesOf(value), headers }
}

/** What a decoder makes of a value, which must be there at once. */
function decodedNow(value: Bytes, decoder: Decoder): unknown {
  const decoded = decodeMessage(messageOf(value), { value: decoder })
  assert.instance(decoded, DecodedMessage, 'a promise was made')
  return decoded instanceof DecodedMessage ? decoded.value : undefined
}

/** How decoding fails, now or later; every failure must name the message. */
async function failureOf(message: Message, field: 'key' | 'value', decoder: Decoder): Promise<LanewayError> {
  let caught: unknown
  try {
    await decodeMessage(message, { [field]: decoder })
  } catch (error) {
    caught = error
  }
  assert.ok(caught !== undefined, 'it was decoded')
  if (!LanewayError.is(caught)) throw new Error('not a LanewayError', { cause: caught })
  assert.is(caught.code, 'DESERIALIZATION_FAILED')
  assert.equal(caught.details, { topic: 'orders', partition: 3, offset: 42, field })
  assert.is(caught.message, `the ${field} of orders [3] at offset 42 cannot be decoded`)
  return caught
}

const causeOf = async (value: Bytes, decoder: Decoder): Promise<unknown> =>
  (await failureOf(messageOf(value), 'value', decoder)).cause

const order = z.object({ id: z.number(), note: z.string().default('none') })
const schemaOfProto = `
  syntax = "proto3";
  message Order { int32 id = 1; string note = 2; Order parent = 3; repeated int32 parts = 4; }`
const ProtoOrder = protobuf.parse(schemaOfProto).root.lookupType('Order')
const encoded = Buffer.from(ProtoOrder.encode({ id: 7, note: 'blue', parent: { id: 6 } }).finish())

test('without decoders a message keeps its bytes, and everything else', () => {
  const message = messageOf('v', 'k')
  const decoded = decodeMessage(message, {})
  assert.instance(decoded, DecodedMessage)
  if (decoded instanceof Promise) return
  const { topic, partition, offset, timestamp, key, value, headers } = decoded
  assert.equal({ topic, partition, offset, timestamp, key, value, headers }, message)
  assert.is(decoded.raw, message)
})

test('a message out of a batch is decoded, and its bytes stay within reach', () => {
  const written = { offset: 9, key: 'k-1', value: '{"id":1}', headers: [['h', 'x']] as const }
  const batch = new MessageBatch(writeBatch(1, [{ partition: 0, messages: [written] }]))
  const message = new BatchMessage(batch, 0, { topic: 'orders', partition: 3 })
  const decoded = decodeMessage(message, { key: 'text', value: 'json' })
  assert.instance(decoded, DecodedMessage)
  if (decoded instanceof Promise) return
  assert.is(decoded.offset, 9)
  assert.is(decoded.key, 'k-1')
  assert.equal(decoded.value, { id: 1 })
  assert.is(decoded.headers[0]?.[1]?.toString(), 'x')
  assert.is(decoded.raw.value?.toString(), '{"id":1}')
})

test('json is parsed, text is read', () => {
  assert.equal(decodedNow('{"id":1,"deep":[null,true]}', 'json'), { id: 1, deep: [null, true] })
  assert.is(decodedNow('null', 'json'), null)
  assert.is(decodedNow('grün 🟢', 'text'), 'grün 🟢')
  assert.is(decodedNow('', 'text'), '')
  assert.is(decodedNow('\uFEFFmarked', 'text'), '\uFEFFmarked')
})

test('bytes that are not UTF-8 are refused, never replaced', async () => {
  const latin1 = Buffer.from('"grün"', 'latin1')
  assert.instance(await causeOf(latin1, 'text'), TypeError)
  assert.instance(await causeOf(latin1, 'json'), TypeError)
  assert.instance(await causeOf(latin1, z.string()), TypeError)
  // A sequence cut off by the end is not carried into the next message.
  assert.instance(await causeOf(Buffer.from('ü').subarray(0, 1), 'text'), TypeError)
  assert.is(decodedNow('fine', 'text'), 'fine')
})

test('what is not JSON is refused; an empty value is not a tombstone', async () => {
  assert.instance(await causeOf('{"id":', 'json'), SyntaxError)
  assert.instance(await causeOf('', 'json'), SyntaxError)
  assert.instance(await causeOf('', order), SyntaxError)
})

test("a schema's output is the value", () => {
  assert.equal(decodedNow('{"id":5,"extra":1}', order), { id: 5, note: 'none' })
  const renamed = z.object({ id: z.string() }).transform(({ id }) => new Map([['id', Number(id)]]))
  assert.equal(decodedNow('{"id":"5"}', renamed), new Map([['id', 5]]))
})

test('a schema that waits for something makes a promise', async () => {
  const known = order.refine(async ({ id }) => (await Promise.resolve(id)) < 10, 'unknown order')
  const pending = decodeMessage(messageOf('{"id":5}'), { value: known })
  assert.instance(pending, Promise)
  assert.equal((await pending).value, { id: 5, note: 'none' })
  const cause = await causeOf('{"id":50}', known)
  assert.instance(cause, SchemaError)
  assert.is(String(cause), 'SchemaError: unknown order')
})

test('what a schema refuses says where and why', async () => {
  const cause = await causeOf('{"items":[{"id":1},{"id":"x"},{}]}', z.object({ items: z.array(order) }))
  assert.instance(cause, SchemaError)
  if (!(cause instanceof SchemaError)) return
  assert.match(cause.message, /^items\.1\.id: .*number.* \(and 1 more\)$/)
  assert.equal(
    cause.issues.map(({ path }) => path),
    [
      ['items', 1, 'id'],
      ['items', 2, 'id'],
    ],
  )
})

test('a schema that is a function, or names its path by segments, is a schema', async () => {
  const refuses = () => ({ issues: [{ message: 'no', path: [{ key: 'a' }, Symbol('b')] }] })
  function accepts(this: unknown, value: unknown) {
    // Its own properties are what a validate() is called on.
    assert.ok(typeof this === 'object' && this !== null && 'vendor' in this)
    return { value: [value] }
  }
  const schemaOf = (validate: typeof refuses | typeof accepts) => {
    const called = () => assert.unreachable('it was called as a function')
    return Object.assign(called, { '~standard': { version: 1, vendor: 'test', validate } as const })
  }
  assert.equal(decodedNow('1', schemaOf(accepts)), [1])
  assert.is(String(await causeOf('1', schemaOf(refuses))), 'SchemaError: a.Symbol(b): no')
})

test('a protobufjs type decodes, in each of its forms', () => {
  class Generated extends protobuf.Message<Generated> {}
  const type = protobuf.parse(schemaOfProto).root.lookupType('Order')
  type.ctor = Generated
  const expected = { id: 7, note: 'blue', parent: { id: 6 } }
  const reflected = decodedNow(encoded, ProtoOrder)
  assert.instance(reflected, ProtoOrder.ctor)
  assert.equal(JSON.parse(JSON.stringify(reflected)), expected)
  const generated = decodedNow(encoded, Generated)
  assert.instance(generated, Generated)
  assert.equal(JSON.parse(JSON.stringify(generated)), expected)
})

test('an empty protobuf message is a message with defaults', () => {
  const empty = decodedNow('', ProtoOrder)
  assert.instance(empty, ProtoOrder.ctor)
  assert.equal(JSON.parse(JSON.stringify(empty)), {})
})

test('bytes that are no protobuf message are refused', async () => {
  for (const bytes of [encoded.subarray(0, -1), Buffer.from('not a message'), Buffer.from([0xff])]) {
    assert.instance(await causeOf(bytes, ProtoOrder), Error)
  }
})

test('a function gets the bytes and the message', () => {
  const message = messageOf('body', 'k')
  const decoded = decodeMessage(message, {
    key: (bytes, { partition }) => `${bytes?.toString('hex')} ${partition}`,
    value: (bytes, { headers, offset }) => [bytes?.toString(), headers[0]?.[0], offset],
  })
  assert.instance(decoded, DecodedMessage)
  if (decoded instanceof Promise) return
  assert.is(decoded.key, '6b 3')
  assert.equal(decoded.value, ['body', 'trace', 42])
})

test('null stays null, and only a function is asked about it', () => {
  const never: Decoder[] = ['json', 'text', order, z.string().transform(() => 'made up'), ProtoOrder]
  for (const decoder of never) assert.is(decodedNow(null, decoder), null)
  assert.is(
    decodedNow(null, (bytes) => (bytes === null ? 'deleted' : 'there')),
    'deleted',
  )
})

test('a function or an object with decode() may answer later', async () => {
  const later = async (bytes: Buffer | null) => {
    await new Promise(setImmediate)
    return bytes?.toString()
  }
  // A client of a schema registry looks like this.
  const client = { prefix: '>', decode: async (bytes: Buffer) => `${client.prefix}${await later(bytes)}` }
  // biome-ignore lint/suspicious/noThenProperty: promises of other libraries are what this is about
  const foreign = () => ({ then: (resolve: (text: string) => void) => resolve('foreign') })
  const callable = () => Object.assign(() => 'not called', foreign())
  for (const [decoder, expected] of [
    [callable, 'foreign'],
    [later, 'v'],
    [client, '>v'],
    [foreign, 'foreign'],
  ] as const) {
    const pending = decodeMessage(messageOf('v'), { value: decoder as Decoder })
    assert.instance(pending, Promise)
    assert.is((await pending).value, expected)
  }
})

test('keys and values wait for each other in every combination', async () => {
  const now = (bytes: Buffer | null) => `${bytes}`
  const later = async (bytes: Buffer | null) => `${bytes}`
  for (const key of [now, later]) {
    for (const value of [now, later]) {
      const decoded = decodeMessage(messageOf('v', 'k'), { key, value })
      assert.is(decoded instanceof Promise, key === later || value === later)
      const { key: k, value: v } = await decoded
      assert.equal([k, v], ['k', 'v'])
    }
  }
})

test('the value is not decoded where the key fails, and nothing is left to reject unseen', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', note)
  const fails = () => {
    throw new Error('no')
  }
  const failsLater = async () => {
    await new Promise(setImmediate)
    fails()
  }
  let asked = 0
  const value = () => {
    asked += 1
    return failsLater()
  }
  for (const key of [fails, failsLater]) {
    const error = await Promise.resolve()
      .then(() => decodeMessage(messageOf('v', 'k'), { key, value }))
      .catch((reason: unknown) => reason)
    assert.ok(LanewayError.is(error))
    assert.is(error.details['field'], 'key')
  }
  for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate)
  process.off('unhandledRejection', note)
  assert.is(asked, 0)
  assert.equal(unhandled, [])
})

/** Throws at whatever is done to it. */
const untouchable = new Proxy(
  {},
  Object.fromEntries(
    (['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor'] as const).map((trap) => [
      trap,
      () => {
        throw new Error(`${trap} of the untouchable`)
      },
    ]),
  ),
)

const throws = (reason: unknown) => () => {
  throw reason
}

const lookedAt = (name: string, reason: unknown): object => Object.defineProperty({}, name, { get: throws(reason) })

function standard(validate: unknown): object {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

test('whatever a decoder does wrong, it ends in the one error', async () => {
  const reason = new Error('reason')
  const strange: readonly (readonly [what: string, decoder: unknown])[] = [
    ['throws an error', throws(reason)],
    ['throws a string', throws('text')],
    ['throws undefined', throws(undefined)],
    ['throws null', throws(null)],
    ['throws a symbol', throws(Symbol('s'))],
    ['throws an object without a prototype', throws(Object.create(null))],
    ['throws the untouchable', throws(untouchable)],
    ['throws an error whose message throws', throws(lookedAt('message', reason))],
    ['throws a LanewayError', throws(new LanewayError('INTERNAL', 'of the decoder'))],
    ['returns the untouchable', () => untouchable],
    ['rejects', () => Promise.reject(reason)],
    ['rejects with undefined', () => Promise.reject(undefined)],
    ['returns a thenable that cannot be looked at', () => lookedAt('then', reason)],
    // biome-ignore-start lint/suspicious/noThenProperty: promises of other libraries are what this is about
    ['returns a thenable that throws', () => ({ then: throws(reason) })],
    ['returns a thenable that rejects', () => ({ then: (_: unknown, reject: (e: unknown) => void) => reject(reason) })],
    // biome-ignore-end lint/suspicious/noThenProperty: see above
    [
      'returns a broken promise',
      () => Object.defineProperty(Promise.resolve(1), 'constructor', { get: throws(reason) }),
    ],
    ['is a schema that throws', standard(throws(reason))],
    ['is a schema that rejects', standard(() => Promise.reject(reason))],
    ['is a schema that returns nothing', standard(() => undefined)],
    ['is a schema that resolves to nothing', standard(async () => null)],
    ['is a schema whose issues are none', standard(() => ({ issues: 5 }))],
    ['is a schema whose issue cannot be looked at', standard(() => ({ issues: [untouchable] }))],
    ['is a schema that cannot be looked at', lookedAt('~standard', reason)],
    ['decodes by throwing', { decode: throws(reason) }],
    ['decodes by rejecting', { decode: () => Promise.reject(reason) }],
    ['has a decode() that cannot be looked at', lookedAt('decode', reason)],
    ['cannot be looked at', untouchable],
    ['is nothing that decodes', {}],
    ['is no name of a decoder', 'yaml'],
    [
      'recurses for ever',
      function forever(): unknown {
        return [forever()]
      },
    ],
  ]
  for (const [what, decoder] of strange) {
    for (const field of ['key', 'value'] as const) {
      try {
        await failureOf(messageOf('1', '1'), field, decoder as Decoder)
      } catch (error) {
        throw new Error(`a decoder that ${what}, for the ${field}`, { cause: error })
      }
    }
  }
})

test('the cause is what the decoder threw, itself', async () => {
  for (const reason of [new RangeError('r'), 'text', 0, null, untouchable]) {
    for (const decoder of [throws(reason), () => Promise.reject(reason)]) {
      const { cause } = await failureOf(messageOf('1'), 'value', decoder)
      assert.ok(cause === reason)
    }
  }
})

test('the text never quotes the payload, whatever the decoder says', async () => {
  const secret = 'card 4111111111111111'
  const quoting: Decoder[] = [
    'json',
    z.never(),
    z.strictObject({}),
    ProtoOrder,
    (bytes) => throws(new Error(`cannot read ${bytes}`))(),
    (bytes) => Promise.reject(Object.assign(new Error(), { name: `${bytes}`, code: `${bytes}` })),
  ]
  for (const decoder of quoting) {
    for (const payload of [secret, JSON.stringify(secret), JSON.stringify({ [secret]: secret })]) {
      for (const field of ['key', 'value'] as const) {
        const message = messageOf(payload, payload)
        const failed = decoder === 'json' ? messageOf(`${payload}"`, `${payload}"`) : message
        const { cause, ...told } = await failureOf(failed, field, decoder)
        assert.not.match(JSON.stringify(told), '4111')
      }
    }
  }
})

test('hostile JSON is a value or a failure, never a crash', async () => {
  const depth = 200_000
  const deep = '['.repeat(depth) + ']'.repeat(depth)
  const tree: z.ZodType = z.lazy(() => z.array(tree))
  assert.instance(await causeOf(deep, tree), RangeError)
  assert.instance(await causeOf('['.repeat(depth), 'json'), SyntaxError)
  const long = await causeOf(`[${'0,'.repeat(depth)}0]`, z.array(z.string()))
  assert.instance(long, Error)
  assert.ok(String(long).length < 200, 'the text grows with the value')
  const polluting = decodedNow('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}', 'json')
  assert.type(polluting, 'object')
  assert.is(Reflect.get({}, 'polluted'), undefined)
  // JSON has no functions, so that none of it can pass for a promise.
  assert.equal(decodedNow('{"then":"x"}', 'json'), Object.fromEntries([['then', 'x']]))
})

test('hostile protobuf is a value or a failure, never a crash', async () => {
  // Each level is field 3 with everything deeper inside it.
  const levels: number[] = []
  let size = 0
  for (let depth = 0; depth < 100_000; depth += 1) {
    const header: number[] = []
    for (let left = size; ; left >>>= 7) {
      header.push(left > 0x7f ? (left & 0x7f) | 0x80 : left)
      if (left <= 0x7f) break
    }
    levels.push(...header.reverse(), 0x1a)
    size += header.length + 1
  }
  assert.instance(await causeOf(Buffer.from(levels.reverse()), ProtoOrder), Error)
  // A packed list that claims 2^31 entries.
  assert.instance(await causeOf(Buffer.from([0x22, 0xff, 0xff, 0xff, 0xff, 0x07, 0x01]), ProtoOrder), Error)
})

test('bytes changed at random are a value or a failure', async () => {
  let state = 1
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  const json = Buffer.from('{"id":5,"note":"grün","list":[1,2.5e3,null]}')
  const seen = { values: 0, failures: 0 }
  for (let round = 0; round < 5_000; round += 1) {
    for (const [bytes, decoder] of [
      [json, 'json'],
      [json, 'text'],
      [json, order],
      [encoded, ProtoOrder],
    ] as const) {
      const changed = Buffer.from(bytes)
      for (let left = random(3); left >= 0; left -= 1) changed[random(changed.length)] = random(256)
      try {
        decodedNow(changed.subarray(0, changed.length - random(3)), decoder)
        seen.values += 1
      } catch (error) {
        if (!LanewayError.is(error) || error.code !== 'DESERIALIZATION_FAILED') throw error
        seen.failures += 1
      }
    }
  }
  assert.ok(seen.values > 100 && seen.failures > 100, JSON.stringify(seen))
})

test('every decoder is accepted as an option, as it is', () => {
  class Generated extends protobuf.Message<Generated> {}
  const asOption = [
    'json',
    'text',
    order,
    ProtoOrder,
    Generated,
    Object.assign(
      () => 1,
      standard(() => ({ value: 1 })),
    ),
    new TextDecoder(),
    (bytes: Buffer | null) => bytes,
    async () => 1,
    function named() {},
    Buffer.from.bind(Buffer),
  ]
  for (const decoder of asOption) assert.ok(decoderOption.parse(decoder) === decoder, String(decoder))
})

test('what is no decoder is refused as an option, and the text says what is one', () => {
  const wrong: readonly unknown[] = [
    undefined,
    null,
    true,
    1,
    '',
    'JSON',
    {},
    [],
    { decode: 'json' },
    { parse: JSON.parse },
    { '~standard': null },
    { '~standard': { version: 2, vendor: 'x', validate: () => ({ value: 1 }) } },
    { '~standard': { version: 1, vendor: 'x' } },
    // A schema of a version to come can be called perhaps, but it is no decoder.
    Object.assign(() => 1, { '~standard': { version: 2 } }),
    // A class cannot be called: every message would fail.
    class Order {},
    lookedAt('decode', new Error('no')),
    untouchable,
  ]
  for (const [index, value] of wrong.entries()) {
    const parsed = decoderOption.safeParse(value)
    assert.not(parsed.success, `number ${index}`)
    assert.match(parsed.error?.issues[0]?.message ?? '', /^must be 'json', 'text', .*schema.*decode\(\).*function$/i)
  }
})

test.run()
