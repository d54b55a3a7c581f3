/** What a handler throws on purpose is recognised, also from another copy of the package; nothing else is. */
import { DeadLetterMessage, DropMessage, FatalError, RetryMessage } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { outcomeOf } from '../../ts/outcomes.js'

const cause = new Error('the cause')

test('each says what it asks for, and is an error with a cause', () => {
  for (const [thrown, outcome, name] of [
    [new RetryMessage({ delay: 5, cause }), { kind: 'retry', delay: 5 }, 'RetryMessage'],
    [new DropMessage('expired', { cause }), { kind: 'drop', reason: 'expired' }, 'DropMessage'],
    [new DeadLetterMessage('odd', { cause }), { kind: 'deadLetter', reason: 'odd' }, 'DeadLetterMessage'],
    [new FatalError('gone', { cause }), { kind: 'fatal' }, 'FatalError'],
  ] as const) {
    assert.equal(outcomeOf(thrown), outcome)
    assert.instance(thrown, Error)
    assert.is(thrown.name, name)
    assert.is(thrown.cause, cause)
  }
})

test('a subclass, and an object of another copy of the package, say the same', () => {
  class TooLate extends DropMessage {}
  assert.equal(outcomeOf(new TooLate('late')), { kind: 'drop', reason: 'late' })
  const other = Object.assign(new Error('of another copy'), { [Symbol.for('laneway.outcome')]: 'retry', delay: 7 })
  assert.equal(outcomeOf(other), { kind: 'retry', delay: 7 })
})

test('a delay that is impossible is none', () => {
  for (const delay of [-1, Number.NaN, '5', undefined]) {
    assert.equal(outcomeOf(new RetryMessage({ delay: delay as number })), { kind: 'retry', delay: 0 })
  }
})

test('nothing else is taken for one', () => {
  const brand = Symbol.for('laneway.outcome')
  for (const other of [undefined, null, 'drop', 7, cause, {}, { kind: 'drop' }, () => undefined, { [brand]: 'odd' }]) {
    assert.is(outcomeOf(other), undefined)
  }
})

test.run()
