/**
 * Ledgers of workers: their runs count for the epochs of their member, and what a dead worker leaves behind is excused where
 * it has died, and only there.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attributed } from './attribution.js'
import { Checker, type Verdict } from './checker.js'
import type { Ledger, LedgerEvent, NewEvent } from './ledger.js'
import { Story } from './story.js'

const TIMING = { sessionTimeoutMs: 3_000, rebalanceTimeoutMs: 2_500, learningMs: 5_000, eventMs: 500 }
const KEYS = ['a', 'a']

/** One line of a worker, in ms. */
function line(atMs: number, event: NewEvent): LedgerEvent {
  return { ...event, mono: atMs * 1_000, wall: atMs } as LedgerEvent
}

function run(worker: string, offset: number, number: number, attempt = 1) {
  const message = { topic: 't', partition: 0, offset, key: KEYS[offset] ?? null, value: String(offset), attempt }
  return { ...message, run: `${worker}/${number}` }
}

function workerLedger(worker: string, events: readonly LedgerEvent[]): Ledger {
  return { writer: `one~${worker}`, events: () => events }
}

/** `one` has the partition, its workers handle both messages, and everything is committed. */
function check(workers: readonly Ledger[]): Verdict {
  const story = new Story(KEYS)
    .assigned(10, 'one', 1)
    .committed(900, 'one', 2)
    .closed(910, 'one', { exitedAt: 930 })
    .revoked(920, 'one')
    .observed(940, 2)
    .drained(950, 2)
  return new Checker(attributed([...story.ledgers, ...workers]), TIMING).check()
}

const broken = (verdict: Verdict): string[] =>
  Object.entries(verdict.broken).flatMap(([property, times]) => (times > 0 ? [property] : []))

/** Completes the first message, and stops in the middle of the second. */
const stopping = [
  line(20, { event: 'worker-start', ...run('1-1', 0, 1) }),
  line(30, { event: 'worker-end', ...run('1-1', 0, 1) }),
  line(31, { event: 'worker-start', ...run('1-1', 1, 2) }),
]
const dying = [...stopping, line(40, { event: 'worker-dies' })]

/** Handles both, from the first one on or from the second. */
function following(from: 0 | 1): LedgerEvent[] {
  const runs = [0, 1].filter((offset) => offset >= from)
  return runs.flatMap((offset) => [
    line(100 + 20 * offset, { event: 'worker-start', ...run('1-2', offset, 1 + offset, 1 + offset) }),
    line(110 + 20 * offset, { event: 'worker-end', ...run('1-2', offset, 1 + offset, 1 + offset) }),
  ])
}

test('what a worker ran when it died is run again by another', () => {
  const verdict = check([workerLedger('1-1', dying), workerLedger('1-2', following(1))])
  assert.equal(broken(verdict), [])
  assert.is(verdict.lostWorkers, 1)
  assert.equal(verdict.duplicates, {})
})

test('what a dead worker had completed unheard may be run again', () => {
  const verdict = check([workerLedger('1-1', dying), workerLedger('1-2', following(0))])
  assert.equal(broken(verdict), [])
  assert.equal(verdict.duplicates, { 'worker lost': 1 })
})

test('what a living worker has completed must not be run again', () => {
  const living = stopping.slice(0, 2)
  const verdict = check([workerLedger('1-1', living), workerLedger('1-2', following(0))])
  assert.equal(broken(verdict), ['duplicates explained'])
})

test('a handler that never ends in a living worker is found', () => {
  const story = new Story(KEYS).assigned(10, 'one', 1).drained(950, 0)
  const verdict = new Checker(attributed([...story.ledgers, workerLedger('1-1', stopping)]), TIMING).check()
  assert.ok(broken(verdict).includes('no handler forgotten'))
})

/** `one` was cut off, `two` got the partition, and `one` knows it at 5,000 ms; its worker starts something after that. */
function startingAfterLoss(atMs: number): string[] {
  const story = new Story(KEYS)
    .assigned(10, 'one', 1)
    .fault('cut', 'one', 20, 4_000)
    .revoked(5_000, 'one', 'lost')
    .assigned(4_500, 'two', 1)
    .run({ member: 'two', offset: 0, from: 4_510, to: 4_520 })
    .run({ member: 'two', offset: 1, from: 4_530, to: 4_540 })
    .committed(8_000, 'two', 2)
    .closed(8_010, 'one')
    .closed(8_010, 'two')
    .drained(8_050, 2)
  const late = [
    line(atMs, { event: 'worker-start', ...run('1-1', 0, 1) }),
    line(atMs + 10, { event: 'worker-end', ...run('1-1', 0, 1) }),
  ]
  return broken(new Checker(attributed([...story.ledgers, workerLedger('1-1', late)]), TIMING).check())
}

test('a worker may start something until it has been told of a loss, and not later', () => {
  assert.equal(startingAfterLoss(5_100), [])
  assert.equal(startingAfterLoss(7_000), ['knows its losses'])
})

test('two workers must not run messages of one key at once', () => {
  const early = [
    line(35, { event: 'worker-start', ...run('1-2', 1, 1) }),
    line(38, { event: 'worker-end', ...run('1-2', 1, 1) }),
  ]
  const slow = [
    line(20, { event: 'worker-start', ...run('1-1', 0, 1) }),
    line(40, { event: 'worker-end', ...run('1-1', 0, 1) }),
  ]
  const verdict = check([workerLedger('1-1', slow), workerLedger('1-2', early)])
  assert.equal(broken(verdict), ['no overlap', 'no inversion'])
})

test.run()
