/** What becomes of a failed attempt, decision by decision: the order of the rules, and that none loses a message. */
import {
  DEAD_LETTER_HEADERS,
  DeadLetterMessage,
  DropMessage,
  type FailedAttempt,
  FatalError,
  LanewayError,
  type LogFields,
  type ParallelConsumerOptions,
  RetryMessage,
  WorkerError,
} from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../ts/config.js'
import { Failures } from '../../ts/failures.js'

interface Judge {
  readonly failures: Failures
  readonly stops: LanewayError[]
  readonly logged: { readonly level: string; readonly text: string; readonly fields: LogFields | undefined }[]
}

function judge(options: Partial<ParallelConsumerOptions> = {}): Judge {
  const stops: LanewayError[] = []
  const logged: Judge['logged'] = []
  const to = (level: string) => (text: string, fields?: LogFields) => logged.push({ level, text, fields })
  const config = parseConfig({
    kafka: { 'bootstrap.servers': 'b', 'group.id': 'g' },
    topics: ['t'],
    logger: { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') },
    retry: { maxAttempts: 3, delay: 10 },
    ...options,
  })
  return { failures: new Failures(config, (error) => stops.push(error)), stops, logged }
}

const message = { topic: 't', partition: 2, offset: 7, timestamp: 1, key: Buffer.from('k'), value: null, headers: [] }

function failed(error: unknown, attempt = 1, firstFailedAt?: number): FailedAttempt {
  return { error, message, attempt, firstFailedAt }
}

const no = new RangeError('no')

test('an attempt is repeated after the delay, until the attempts are used up', () => {
  const { failures, stops, logged } = judge({ retry: { maxAttempts: 3, delay: (attempt) => 10 * attempt } })
  assert.equal(failures.decide(failed(no)), { kind: 'retry', delayMs: 10 })
  assert.equal(failures.decide(failed(no, 2)), { kind: 'retry', delayMs: 20 })
  assert.equal(failures.decide(failed(no, 3)), { kind: 'stop' })
  assert.is(stops.length, 1)
  assert.is(stops[0]?.code, 'RETRIES_EXHAUSTED')
  assert.is(stops[0]?.cause, no)
  assert.ok(stops[0]?.fatal)
  assert.equal(stops[0]?.details, { topic: 't', partition: 2, offset: 7, attempts: 3 })
  assert.equal(
    logged.map(({ level, text }) => [level, text]),
    [
      ['warn', 'attempt 1 of t [2] at offset 7 failed'],
      ['warn', 'attempt 2 of t [2] at offset 7 failed'],
    ],
  )
})

test('what a handler throws on purpose comes before the policy', () => {
  const { failures, stops } = judge({ retry: { maxAttempts: 1, retryable: () => false }, onExhausted: 'drop' })
  assert.equal(failures.decide(failed(new RetryMessage({ delay: 99 }), 50)), { kind: 'retry', delayMs: 99 })
  assert.equal(failures.decide(failed(new DropMessage('expired'))), { kind: 'drop' })
  assert.equal(failures.drops(), { expired: 1 })
  assert.is(stops.length, 0)
  const fatal = new FatalError('gone')
  assert.equal(failures.decide(failed(fatal)), { kind: 'stop' })
  assert.is(stops[0]?.code, 'FATAL_HANDLER')
  assert.is(stops[0]?.cause, fatal)
})

test('a worker’s error that another attempt cannot help is given up at once; one that does not say is retried', () => {
  const { failures } = judge({ onExhausted: 'drop' })
  const error = (retriable: boolean | undefined) => failed(new WorkerError('no', { code: 'ValueError', retriable }))
  assert.equal(failures.decide(error(false)), { kind: 'drop' })
  assert.equal(failures.decide(error(undefined)), { kind: 'retry', delayMs: 10 })
  assert.equal(failures.decide(error(true)), { kind: 'retry', delayMs: 10 })
  const others = Object.assign(new Error('no'), { retriable: false })
  assert.equal(failures.decide(failed(others)), { kind: 'retry', delayMs: 10 })
})

test('an error that is not retryable is given up at once; the function is told all there is', () => {
  const told: unknown[] = []
  const retryable = (error: unknown, context: object): boolean => told.push([error, context]) < 0
  const { failures } = judge({ retry: { maxAttempts: 5, retryable }, onExhausted: 'drop' })
  assert.equal(failures.decide(failed(no, 2, 1_234)), { kind: 'drop' })
  assert.equal(told, [[no, { message, attempt: 2, firstFailedAt: 1_234 }]])
  assert.equal(failures.drops(), { 'its error is not retryable': 1 })
})

test('it is not asked about the last attempt', () => {
  const { failures } = judge({
    retry: { maxAttempts: 2, retryable: () => assert.unreachable() as never },
    onExhausted: 'drop',
  })
  assert.equal(failures.decide(failed(no, 2)), { kind: 'drop' })
})

test("without dead letters onExhausted decides, also about a DeadLetterMessage: 'block' says so", () => {
  const { failures, logged, stops } = judge({ onExhausted: 'block' })
  assert.equal(failures.decide(failed(new DeadLetterMessage('odd'))), { kind: 'block' })
  assert.is(logged[0]?.level, 'error')
  assert.match(logged[0]?.text ?? '', 't [2] at offset 7 blocks its lane')
  assert.is(stops.length, 0)
})

test('a dead letter says where the message was, why, and with which error', () => {
  const { failures, logged } = judge({
    deadLetter: { topic: ({ topic, offset }) => `${topic}.${offset}`, payload: 'metadata' },
  })
  const decision = failures.decide(failed(no, 3))
  assert.ok(decision.kind === 'deadLetter')
  const { topic, withPayload, headers } = decision.letter
  assert.is(topic, 't.7')
  assert.is(withPayload, false)
  const pairs = Array.from({ length: headers.length / 2 }, (_, i) => headers.slice(2 * i, 2 * i + 2))
  assert.equal(
    pairs.map(([name]) => name),
    Object.values(DEAD_LETTER_HEADERS),
  )
  const values = pairs.map(([, value]) => value)
  const time = values.pop() ?? ''
  assert.equal(values, ['t', '2', '7', '3', 'its attempts are used up', 'RangeError', 'no'])
  assert.is(new Date(time).toISOString(), time)
  assert.match(logged[0]?.text ?? '', 'goes to t.7: its attempts are used up')
})

test('no text of an error makes a header larger than 1,024 characters, and what is no error has a class, too', () => {
  const { failures } = judge({ deadLetter: { topic: 'd' }, retry: { maxAttempts: 1 } })
  for (const [error, errorClass, text] of [
    [new Error('x'.repeat(100_000)), 'Error', 'x'.repeat(1_024)],
    ['just text', 'string', 'just text'],
    [undefined, 'undefined', 'undefined'],
    [new LanewayError('HANDLER_TIMEOUT', 'too long'), 'HANDLER_TIMEOUT', 'too long'],
  ] as const) {
    const decision = failures.decide(failed(error))
    assert.ok(decision.kind === 'deadLetter')
    const { headers } = decision.letter
    assert.is(headers[headers.indexOf(DEAD_LETTER_HEADERS.errorClass) + 1], errorClass)
    assert.is(headers[headers.indexOf(DEAD_LETTER_HEADERS.errorMessage) + 1], text)
  }
})

test('an error that cannot even be turned into text loses no message', () => {
  const hostile = Object.create(null)
  for (const options of [{}, { deadLetter: { topic: 'd' } }, { onExhausted: 'drop' }] as const) {
    const { failures } = judge({ ...options, retry: { maxAttempts: 1 } })
    const decision = failures.decide(failed(hostile))
    assert.ok(['stop', 'deadLetter', 'drop'].includes(decision.kind))
  }
})

test('a message that was not run because its key is poison is given up, whatever the policy', () => {
  const { failures } = judge({ onExhausted: 'drop', retry: { maxAttempts: 100 } })
  assert.equal(failures.decide(failed(new LanewayError('KEY_POISONED', 'not run'), 0)), { kind: 'drop' })
  assert.equal(failures.drops(), { 'its key is poison': 1 })
})

test('a message that cannot be decoded is not tried again: the option decides', () => {
  const undecodable = new LanewayError('DESERIALIZATION_FAILED', 'no JSON')
  const value = 'json'
  const stop = judge({ deserialize: { value } })
  assert.equal(stop.failures.decide(failed(undecodable)), { kind: 'stop' })
  assert.equal(stop.stops, [undecodable])
  const drop = judge({ deserialize: { value, onError: 'drop' } })
  assert.equal(drop.failures.decide(failed(undecodable)), { kind: 'drop' })
  const letters = judge({ deserialize: { value, onError: 'deadLetter' }, deadLetter: { topic: 'd' } })
  assert.is(letters.failures.decide(failed(undecodable)).kind, 'deadLetter')
})

test('functions among the options that throw or return nonsense stop the consumer, and are named', () => {
  const broken = () => {
    throw new Error('broken')
  }
  for (const [options, field] of [
    [{ retry: { delay: broken } }, 'retry.delay'],
    [{ retry: { delay: () => Number.NaN } }, 'retry.delay'],
    [{ retry: { retryable: broken } }, 'retry.retryable'],
    [{ retry: { maxAttempts: 1 }, deadLetter: { topic: broken } }, 'deadLetter.topic'],
    [{ retry: { maxAttempts: 1 }, deadLetter: { topic: () => '' } }, 'deadLetter.topic'],
  ] as const) {
    const { failures, stops } = judge(options)
    assert.equal(failures.decide(failed(no)), { kind: 'stop' })
    assert.is(stops[0]?.code, 'CONFIG_INVALID')
    assert.is(stops[0]?.issues[0]?.field, field)
  }
})

test('a reason is logged once a minute, and counted for good; reasons with an id in them do not grow without end', () => {
  const { failures, logged } = judge()
  for (let i = 0; i < 250; i += 1) failures.decide(failed(new DropMessage(`order ${i} expired`)))
  for (let i = 0; i < 5; i += 1) failures.decide(failed(new DropMessage('order 0 expired')))
  const drops = failures.drops()
  assert.is(Object.keys(drops).length, 101)
  assert.is(drops['order 0 expired'], 6)
  assert.is(drops['other'], 150)
  assert.is(logged.length, 101)
})

test.run()
