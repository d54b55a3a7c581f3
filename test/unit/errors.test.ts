/** LanewayError: what a user can rely on when something fails, whatever failed. */
import { ERROR_CODES, type ErrorCode, LanewayError } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromRaw, translate, translateAsync } from '../../ts/errors.js'

const failure = { message: 'no rights', kafkaError: 'TOPIC_AUTHORIZATION_FAILED', retriable: false, fatal: true }

function caught(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

test('an error has a code, a message, and says nothing more than it knows', () => {
  const error = new LanewayError('CONSUMER_CLOSED', 'it is closed')
  assert.instance(error, Error)
  assert.is(error.name, 'LanewayError')
  assert.is(error.code, 'CONSUMER_CLOSED')
  assert.is(error.message, 'it is closed')
  assert.is(error.kafkaError, undefined)
  assert.is(error.cause, undefined)
  assert.is(error.retriable, false)
  assert.is(error.fatal, false)
  assert.equal(error.issues, [])
})

test('an error of another copy of the package is recognised', () => {
  const foreign = Object.assign(new Error('from elsewhere'), { [Symbol.for('laneway.error')]: true })
  assert.ok(LanewayError.is(foreign))
  assert.ok(LanewayError.is(new LanewayError('INTERNAL', 'here')))
})

test('nothing else is taken for one', () => {
  for (const value of [new Error('plain'), undefined, null, 'INTERNAL', { code: 'INTERNAL' }]) {
    assert.not(LanewayError.is(value))
  }
})

test('every code says what it means, in one sentence', () => {
  for (const [code, meaning] of Object.entries(ERROR_CODES)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/)
    assert.match(meaning, /\S \S.*[.]$/, code)
  }
})

test('a failure of native code keeps its code, its Kafka name and its flags', () => {
  const error = fromRaw({ code: 'AUTHORIZATION_FAILED', ...failure })
  assert.is(error.code, 'AUTHORIZATION_FAILED')
  assert.is(error.kafkaError, 'TOPIC_AUTHORIZATION_FAILED')
  assert.is(error.message, 'no rights')
  assert.is(error.fatal, true)
})

test('a code that only native code knows becomes INTERNAL, never an unknown code', () => {
  const expected: ErrorCode = 'INTERNAL'
  assert.is(fromRaw({ code: 'SOMETHING_NEW', ...failure }).code, expected)
  assert.is(fromRaw({ code: 'toString', ...failure }).code, expected)
})

test('a property that librdkafka refuses is named as a field', () => {
  const message = "kafka['fetch.min.bytes']: Configuration property out of range"
  const error = fromRaw({ code: 'CONFIG_INVALID', message, retriable: false, fatal: false })
  assert.equal(error.issues, [{ field: 'kafka.fetch.min.bytes', message: 'Configuration property out of range' }])
})

test('what raw calls throw is translated, and nothing else is', async () => {
  const raw = () => Object.assign(new Error('no rights'), { code: 'AUTHORIZATION_FAILED', ...failure })
  const thrown = caught(() => translate(() => failWith(raw())))
  assert.ok(LanewayError.is(thrown))
  const other = new TypeError('not of native code')
  assert.is(
    caught(() => translate(() => failWith(other))),
    other,
  )
  const rejected: unknown = await translateAsync(Promise.reject(raw())).catch((error: unknown) => error)
  assert.ok(LanewayError.is(rejected))
})

function failWith(error: Error): never {
  throw error
}

test.run()
