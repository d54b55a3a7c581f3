/** A process is seen from outside while it runs, and no longer. */
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startProcess } from './live-process.js'
import { ProcessSampler, sampleProcess } from './process-samples.js'

function sampleSelf(): NonNullable<ReturnType<typeof sampleProcess>> {
  const sample = sampleProcess(process.pid)
  if (sample === undefined) throw new Error('this process runs')
  return sample
}

test('memory, handles, threads and CPU are those of the process', () => {
  const before = sampleSelf()
  const file = openSync('/dev/null', 'r')
  const memory = Buffer.alloc(64 * 2 ** 20, 1)
  const until = before.cpuSeconds + 0.05
  while (sampleSelf().cpuSeconds < until);
  const after = sampleSelf()
  closeSync(file)
  assert.is(after.handles, before.handles + 1)
  assert.ok(after.rssKib - before.rssKib > memory.length / 1024 / 2)
  assert.ok(after.threads >= 1)
  assert.ok(after.micros > before.micros)
})

test('a process that ended has no samples any more', async () => {
  const running = startProcess({ program: process.execPath, args: ['-e', 'process.stdin.resume()'] }, 60_000)
  const { pid } = running
  if (pid === undefined) throw new Error('it did not start')
  const sampler = new ProcessSampler(pid, 1)
  running.kill()
  await running.ended
  while (sampleProcess(pid) !== undefined) await sleep(1)
  const samples = sampler.stop()
  assert.ok(samples.length >= 1)
  assert.ok(samples.every(({ rssKib }) => rssKib > 0))
})

test.run()
