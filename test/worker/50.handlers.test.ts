/** What a handler is given, and what becomes of how it ends. */
import {
  DeadLetterMessage,
  DropMessage,
  FatalError,
  LanewayError,
  type Message,
  RetryMessage,
  type WorkerContext,
} from 'laneway/worker'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { v1 } from '../../ts/contracts/worker-contract.js'
import type { ScriptedLease } from '../worker-conformance/scripted-host.js'
import { Stage } from './stage.js'

const { Status } = v1

type Obey = (message: Message, context: WorkerContext) => unknown

/** What the host is told of one message. */
async function settlementOf(obey: Obey, lease: ScriptedLease = {}): Promise<v1.Settlement.$Properties> {
  await using stage = await Stage.open()
  const { session } = await stage.connected({ handlers: { obey } })
  const [[id] = []] = session.lease([[lease]])
  return await session.settlementOf(id)
}

/** The same of a handler that throws. */
const failureOf = (thrown: unknown): Promise<v1.Settlement.$Properties> =>
  settlementOf(() => {
    throw thrown
  })

class CardDeclined extends Error {
  override readonly name = 'CardDeclined'
  readonly retriable = false
  readonly details = { bank: 42 }
}

for (const [title, thrown, expected] of [
  ['an error', new TypeError('broken'), [Status.STATUS_FAILED, 'TypeError', 'broken', undefined]],
  [
    'one with a code',
    Object.assign(new Error('gone'), { code: 'ENOENT' }),
    [Status.STATUS_FAILED, 'ENOENT', 'gone', undefined],
  ],
  ['one that says whether to retry', new CardDeclined('no'), [Status.STATUS_FAILED, 'CardDeclined', 'no', false]],
  ['what is no error', 'text', [Status.STATUS_FAILED, 'string', 'text', undefined]],
  ['nothing', undefined, [Status.STATUS_FAILED, 'undefined', 'undefined', undefined]],
  [
    'one of laneway’s own',
    new LanewayError('TIMED_OUT', 'late'),
    [Status.STATUS_FAILED, 'TIMED_OUT', 'late', undefined],
  ],
  ['drop', new DropMessage('a test'), [Status.STATUS_DROP, 'DropMessage', 'a test', undefined]],
  [
    'dead letter',
    new DeadLetterMessage('no user'),
    [Status.STATUS_DEAD_LETTER, 'DeadLetterMessage', 'no user', undefined],
  ],
  ['fatal', new FatalError('no licence'), [Status.STATUS_FATAL, 'FatalError', 'no licence', undefined]],
] as const) {
  test(`what a handler throws becomes the envelope: ${title}`, async () => {
    const { status, error } = await failureOf(thrown)
    assert.equal([status, error?.code, error?.message, error?.retriable ?? undefined], expected)
  })
}

test('details and the stacks of the causes go along', async () => {
  const { error } = await failureOf(new CardDeclined('no', { cause: new RangeError('limit') }))
  assert.equal(error?.details, { bank: '42' })
  assert.match(error?.stack ?? '', /CardDeclined: no\n.*50\.handlers\.test/s)
  assert.match(error?.stack ?? '', /caused by: RangeError: limit/)
})

test('an error of any size can be told', async () => {
  const long = 'x'.repeat(5_000_000)
  const details = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`${i}`, long]))
  const { error } = await failureOf(Object.assign(new Error(long), { code: long, details }))
  assert.is(error?.code?.length, 256)
  assert.is(error?.message?.length, 8_192)
  assert.ok((error?.stack?.length ?? 0) <= 16_384)
  assert.is(Object.keys(error?.details ?? {}).length, 64)
})

for (const [delay, told] of [
  [0, 0],
  [0.2, 1],
  [1_500, 1_500],
  [2 ** 40, 2 ** 31 - 1],
] as const) {
  test(`a retry in ${delay} ms is told as ${told}`, async () => {
    const { status, delayMs } = await failureOf(new RetryMessage({ delay }))
    assert.equal([status, delayMs ?? 0], [Status.STATUS_RETRY, told])
  })
}

test('a rejection is a failure like a throw, and a promise that resolves completes', async () => {
  assert.is((await settlementOf(() => Promise.reject(new TypeError('later')))).error?.code, 'TypeError')
  assert.is((await settlementOf(() => Promise.resolve('anything'))).status, Status.STATUS_COMPLETED)
})

test('a handler that the worker does not have is a failure for good', async () => {
  await using stage = await Stage.open()
  const { session } = await stage.connected()
  const [[id] = []] = session.lease([[{}]], 'another')
  const { status, error } = await session.settlementOf(id)
  assert.equal([status, error?.code, error?.retriable], [Status.STATUS_FAILED, 'HANDLER_UNKNOWN', false])
})

test('a message arrives as it is; null is not empty', async () => {
  const seen: Message[] = []
  const header = Buffer.from([0, 255])
  await settlementOf((message) => seen.push(message), {
    message: {
      offset: 2 ** 52,
      timestampMs: 1_700_000_000_000,
      key: null,
      value: Buffer.alloc(0),
      headers: [
        { name: 'a', value: header },
        { name: 'a', value: null },
      ],
    },
  })
  const [{ topic, partition, offset, timestamp, key, value, headers } = {} as Message] = seen
  assert.equal([topic, partition, offset, timestamp], ['scripted', 0, 2 ** 52, 1_700_000_000_000])
  assert.is(key, null)
  assert.equal(value, Buffer.alloc(0))
  assert.equal(headers, [
    ['a', header],
    ['a', null],
  ])
})

test('the context tells attempt, first failure, deadline and trace', async () => {
  const metadata = { traceparent: '00-aa-bb-01', tracestate: 'vendor=1', more: 'yes' }
  let seen: unknown[] = []
  const before = performance.now()
  const obey: Obey = (_message, context) => {
    const { attempt, firstFailedAt, traceparent, tracestate, deadline } = context
    seen = [attempt, firstFailedAt, traceparent, tracestate, context.metadata['more']]
    assert.ok(deadline > before && deadline <= performance.now() + 60_000)
  }
  const lease = { attempt: 3, firstFailedAtMs: 1_700_000_000_123, message: { metadata } }
  assert.is((await settlementOf(obey, lease)).status, Status.STATUS_COMPLETED)
  assert.equal(seen, [3, 1_700_000_000_123, '00-aa-bb-01', 'vendor=1', 'yes'])
})

test('what is sent goes with the settlement, with nothing added', async () => {
  const { outputs } = await settlementOf((_message, { send }) => {
    send({ topic: 'scores', key: 'k', value: '', partition: 2, timestamp: 7, headers: [['h', null]] })
    send({ topic: 'audit' })
  })
  const [full, bare] = outputs ?? []
  assert.equal([full?.topic, String(full?.key), full?.value?.length, full?.partition], ['scores', 'k', 0, 2])
  assert.is(Number(full?.timestampMs), 7)
  assert.equal(full?.headers?.[0]?.value ?? null, null)
  assert.equal(
    [bare?.topic, bare?.key ?? null, bare?.value ?? null, bare?.partition ?? null],
    ['audit', null, null, null],
  )
})

test('a failed attempt sends nothing', async () => {
  const { status, outputs } = await settlementOf((_message, { send }) => {
    send({ topic: 'scores' })
    throw new Error('too late')
  })
  assert.is(status, Status.STATUS_FAILED)
  assert.equal(outputs, [])
})

test('a record that is impossible fails its attempt, and so does one for a host that takes none', async () => {
  const send: Obey = (_message, context) => context.send({ topic: 'scores' })
  const impossible: Obey = (_message, context) => context.send({ topic: '' })
  assert.is((await settlementOf(impossible)).error?.code, 'RECORD_INVALID')
  await using stage = await Stage.open()
  stage.start({ handlers: { obey: send } })
  const session = await stage.host.welcomed({ capabilities: [] })
  const [[id] = []] = session.lease([[{}]])
  assert.is((await session.settlementOf(id)).error?.code, 'NOT_TRANSACTIONAL')
})

test('after its end a handler can send no more', async () => {
  let late: WorkerContext['send'] = () => undefined
  await settlementOf((_message, { send }) => {
    late = send
  })
  try {
    late({ topic: 'scores' })
    assert.unreachable()
  } catch (error) {
    assert.is(LanewayError.is(error) && error.code, 'LEASE_LOST')
  }
})

test.run()
