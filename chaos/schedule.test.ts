/** A schedule is the seed's, holds every kind of fault, and asks nothing impossible. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FAULT_KINDS } from './ledger.js'
import { type ScheduledFault, scheduleOf } from './schedule.js'
import { PROTOCOL_NAMES } from './settings.js'

const PLAN = { seed: 1, protocol: 'eager', engine: 'processes', durationMs: 40_000, members: 4 } as const
const SEEDS = Array.from({ length: 200 }, (_, seed) => seed)

const schedules = (durationMs: number): ScheduledFault[][] =>
  SEEDS.flatMap((seed) => PROTOCOL_NAMES.map((protocol) => scheduleOf({ ...PLAN, seed, protocol, durationMs })))

test('the same seed gives the same schedule, another seed or protocol another one', () => {
  assert.equal(scheduleOf(PLAN), scheduleOf(PLAN))
  assert.not.equal(scheduleOf(PLAN), scheduleOf({ ...PLAN, seed: 2 }))
  assert.not.equal(scheduleOf(PLAN), scheduleOf({ ...PLAN, protocol: 'cooperative' }))
})

test('three phases of 40 s, which are two minutes, hold every kind of fault', () => {
  for (const seed of SEEDS) {
    const faults = PROTOCOL_NAMES.flatMap((protocol) => scheduleOf({ ...PLAN, seed, protocol }))
    assert.equal(new Set(faults.map(({ kind }) => kind)).size, FAULT_KINDS.length, `seed ${seed}`)
  }
})

test('faults begin in the order of the schedule and end within the phase', () => {
  for (const faults of schedules(40_000)) {
    for (const [index, { atMs, durationMs }] of faults.entries()) {
      assert.ok(atMs >= (faults[index - 1]?.atMs ?? 0))
      assert.ok(atMs + durationMs <= 40_000)
    }
  }
})

test('no member meets a fault of its own before the last one is over', () => {
  for (const faults of schedules(120_000)) {
    const busyUntil = new Map<number, number>()
    for (const { slot, atMs, durationMs } of faults) {
      if (slot === null) continue
      assert.ok(atMs >= (busyUntil.get(slot) ?? 0))
      busyUntil.set(slot, atMs + durationMs)
    }
  }
})

test('a newcomer gets a slot of its own, above those of the members', () => {
  for (const faults of schedules(120_000)) {
    const slots = faults.filter(({ kind }) => kind === 'join').map(({ slot }) => slot ?? -1)
    assert.is(new Set(slots).size, slots.length)
    assert.ok(slots.every((slot) => slot >= PLAN.members))
    assert.ok(faults.every(({ kind, slot }) => kind === 'join' || slot === null || slot < PLAN.members))
  }
})

test.run()
