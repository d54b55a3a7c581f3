/** The gate tells its own use of the machine from that of others. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { othersShare, readCpuUse } from './others-share.js'

const BURN_SECONDS = 0.3
const BURN = `const { user } = process.cpuUsage(); while (process.cpuUsage().user - user < ${BURN_SECONDS} * 1e6);`

test('others have what is used and is not our own', () => {
  const before = { total: 100, used: 50, own: 10 }
  assert.is(othersShare(before, { total: 110, used: 58, own: 13 }), 0.5)
  assert.is(othersShare(before, { total: 110, used: 53, own: 13 }), 0)
  // Both are read in ticks, one after the other.
  assert.is(othersShare(before, { total: 110, used: 53, own: 13.01 }), 0)
})

test('what a child used is our own, also when it has ended', () => {
  const before = readCpuUse()
  if (before === undefined) return assert.is.not(process.platform, 'linux')
  spawnSync(process.execPath, ['--eval', BURN])
  const after = readCpuUse()
  assert.ok((after?.own ?? 0) - before.own >= BURN_SECONDS * 0.9)
  assert.ok((after?.used ?? 0) - before.used >= BURN_SECONDS * 0.9)
})

test.run()
