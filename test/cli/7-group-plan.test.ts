/** The plan of a change: the text that is committed keeps the form of what was there, and stands for what is shown. */
import { LanewayError } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  checkPosition,
  checkSkippable,
  checkUnchanged,
  commitOf,
  committedOf,
  isChange,
  type PartitionPlan,
  planOf,
  refusal,
  reportOf,
  shorter,
} from '../../ts/cli/group-plan.js'
import { type Settled, seek, skip } from '../../ts/cli/settled.js'
import { addon, type RawCarrier, type RawGroupPartition } from '../../ts/native.js'

const LOG = { start: 0, end: 5_000 }
const AT = { topic: 't', partition: 3 }

function committed(offset: number, metadata: string): RawGroupPartition {
  return { ...AT, offset, logStart: LOG.start, logEnd: LOG.end, leaderEpoch: 7, metadata }
}

function encoded(gaps: readonly number[], highest: number, format: 'laneway' | 'confluent', carrier: RawCarrier) {
  const base = gaps[0] ?? highest + 1
  return addon.encodeMetadata(base, highest, Float64Array.from(gaps), format, carrier, 4_096).metadata
}

function planFrom(raw: RawGroupPartition, change: (before: Settled) => Settled): PartitionPlan {
  const before = committedOf(raw)
  return planOf({ ...AT, log: LOG, before }, change(before.settled))
}

/** What the metadata says that a plan commits. */
function readBack(plan: PartitionPlan) {
  const { offset, metadata } = commitOf(plan)
  const { format, highest, gaps } = addon.decodeMetadata(offset, metadata, 'auto')
  return { offset, format, highest, gaps: [...gaps] }
}

for (const [format, carrier, looks] of [
  ['laneway', 'base32768', /^~[^\x20-\x7f]+$/],
  ['laneway', 'base64', /^![A-Za-z0-9+/=]+$/],
  ['confluent', 'base64', /^[A-Za-z0-9+/=]+$/],
] as const) {
  test(`a skip leaves the rest of the gap map, as ${format} in ${carrier} where that was there`, () => {
    const plan = planFrom(committed(10, encoded([10, 15, 20], 30, format, carrier)), (before) => skip(before, [10, 33]))
    assert.match(commitOf(plan).metadata, looks)
    assert.equal(readBack(plan), { offset: 15, format, highest: 33, gaps: [15, 20, 31, 32] })
  })
}

test('metadata that cannot be read is said to be dropped, and the offset alone counts', () => {
  for (const [metadata, format] of [
    ['not ours', 'foreign'],
    ['~', 'corrupt'],
  ] as const) {
    const plan = planFrom(committed(10, metadata), (before) => skip(before, [12]))
    assert.equal(readBack(plan), { offset: 10, format: 'laneway', highest: 12, gaps: [10, 11] })
    assert.is(reportOf(plan).before?.format, format)
    assert.equal(reportOf(plan).notes, [`its metadata is ${format} and is dropped`])
  }
})

test('a leader epoch goes with its offset and with no other', () => {
  const raw = committed(10, encoded([10, 15], 30, 'laneway', 'base32768'))
  assert.is(commitOf(planFrom(raw, (before) => skip(before, [15]))).leaderEpoch, 7)
  assert.is(commitOf(planFrom(raw, (before) => skip(before, [10]))).leaderEpoch, -1)
  assert.is(commitOf(planFrom(raw, (before) => seek(before, 9, false))).leaderEpoch, -1)
})

test('an offset that the log does not have (any more) is refused, and a commit outside it is pointed out', () => {
  const log = { start: 12, end: 14 }
  const { settled, ...before } = committedOf(committed(10, ''))
  const where = { ...AT, log, before: { settled, ...before } }
  const isRefused = (error: unknown) => LanewayError.is(error) && error.code === 'OFFSET_INVALID'
  for (const offset of [9, 10, 11, 14]) assert.throws(() => checkSkippable(where, settled, offset), isRefused)
  checkSkippable(where, settled, 13)
  for (const offset of [11, 15]) assert.throws(() => checkPosition(where, offset), isRefused)
  for (const offset of [12, 14]) checkPosition(where, offset)
  const { notes, skipped } = reportOf(planOf(where, seek(settled, 13, false)))
  assert.match(String(notes), /outside the log, which goes from 12 to 14/)
  assert.is(skipped, 1)
})

test('shorter metadata says less, and the plan shows what then runs again', () => {
  // Without a pattern that a coder could use.
  const gaps = Array.from({ length: 1_000 }, (_, i) => i * 4 + (((i * 2_654_435_761) >>> 13) % 4))
  const raw = committed(gaps[0] ?? 0, encoded(gaps, 4_100, 'laneway', 'base32768'))
  let plan = planFrom(raw, (before) => before)
  assert.is(isChange(plan), false)
  for (let units = plan.after.units; units > 0; units = plan.after.units) {
    plan = shorter(plan)
    assert.ok(plan.after.units <= units / 2)
    const { offset, highest, gaps: left } = readBack(plan)
    const covered = gaps.filter((gap) => gap <= highest)
    assert.equal([offset, left], [gaps[0], covered])
    const { runAgain, skipped, notes } = reportOf(plan)
    assert.is(runAgain, 4_100 - highest - (gaps.length - covered.length))
    assert.is(skipped, 0)
    assert.match(String(notes), `above ${highest} runs again`)
  }
  assert.is(commitOf(plan).metadata, '')
})

test('known defect: what the group has committed since the plan was made is not overwritten', () => {
  const raw = committed(10, '')
  const plans = [planFrom(raw, (before) => seek(before, 5, false))]
  const isRefused = (error: unknown) => LanewayError.is(error) && error.code === 'GROUP_CHANGED'
  const now = (seen: RawGroupPartition) => new Map([['t/3', seen]])
  checkUnchanged('g', plans, now(raw))
  assert.throws(() => checkUnchanged('g', plans, now(committed(11, ''))), isRefused)
  assert.throws(() => checkUnchanged('g', plans, now(committed(10, encoded([10], 12, 'laneway', 'base64')))), isRefused)
  assert.throws(() => checkUnchanged('g', plans, new Map()), isRefused)
  const first = [planOf({ ...AT, log: LOG }, seek(undefined, 5, false))]
  checkUnchanged('g', first, new Map())
  assert.throws(() => checkUnchanged('g', first, now(raw)), isRefused)
})

test('a refusal of the broker names each partition and its reason, and what was changed all the same', () => {
  const plan = planFrom(committed(10, ''), (before) => seek(before, 5, false))
  const refused = (code: string, kafkaError: string) => [
    { plan, error: { code, kafkaError, message: `Broker: ${kafkaError}`, retriable: false, fatal: false } },
  ]
  const joined = refusal('g', refused('MEMBERSHIP_LOST', 'UNKNOWN_MEMBER_ID'), 0)
  assert.is(joined.code, 'GROUP_ACTIVE')
  assert.is(joined.kafkaError, 'UNKNOWN_MEMBER_ID')
  assert.match(joined.message, /group g has members again.*t\/3: Broker: UNKNOWN_MEMBER_ID.*nothing was changed/)
  const denied = refusal('g', refused('AUTHORIZATION_FAILED', 'TOPIC_AUTHORIZATION_FAILED'), 2)
  assert.is(denied.code, 'AUTHORIZATION_FAILED')
  assert.match(denied.message, /t\/3: Broker: TOPIC_AUTHORIZATION_FAILED.*changed all the same: 2/)
})

test.run()
