/** What the gate is tested with slows a run down by as much as it says. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { burnPlanted, PLANT_VARIABLE } from './planted.js'

const MS = 40

/** How long it burns after a run of 40 ms. */
function burnt(share: string): number {
  process.env[PLANT_VARIABLE] = share
  const startedAt = performance.now()
  burnPlanted({ seconds: MS / 2000, cpuSeconds: MS / 1000 })
  return performance.now() - startedAt
}

test('with half of the speed gone a run takes twice its CPU and its time at least', () => {
  assert.ok(burnt('0.5') >= MS)
})

test('a wrong share is refused', () => {
  for (const share of ['1', '-0.1', 'much']) assert.throws(() => burnt(share), PLANT_VARIABLE)
})

test.run()
