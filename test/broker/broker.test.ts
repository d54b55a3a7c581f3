/** The broker fixture keeps its own promises: it starts, it explains, it comes back, and it leaves nothing behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { brokerAvailability, startBroker } from './broker.js'

const VANISH_DEADLINE_MS = 20_000

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function vanishes(pid: number, folder: string): Promise<boolean> {
  const giveUpAt = Date.now() + VANISH_DEADLINE_MS
  while ((isAlive(pid) || existsSync(folder)) && Date.now() < giveUpAt) await delay(50)
  return !isAlive(pid) && !existsSync(folder)
}

async function messageOf(failing: Promise<unknown>): Promise<string> {
  const reason: unknown = await failing.then(
    () => undefined,
    (error: unknown) => error,
  )
  return reason instanceof Error ? reason.message : 'it did not fail'
}

const availability = await brokerAvailability()
if (!availability.available) process.stderr.write(`SKIPPED, no broker: ${availability.reason}\n`)
const brokerTest = availability.available ? test : test.skip

brokerTest('a topic exists once, also after a restart and a crash', async () => {
  await using broker = await startBroker()
  await broker.createTopic('orders', { partitions: 3, config: { 'cleanup.policy': 'compact' } })
  assert.match(await messageOf(broker.createTopic('orders')), 'topic orders already exists')
  await broker.restart()
  assert.match(await messageOf(broker.createTopic('orders')), 'topic orders already exists')
  await broker.restart('SIGKILL')
  assert.match(await messageOf(broker.createTopic('orders')), 'topic orders already exists')
})

brokerTest('a refused topic and a refused property come with the reason that Kafka gives', async () => {
  await using broker = await startBroker()
  assert.match(await messageOf(broker.createTopic('t', { config: { nonsense: 1 } })), 'Unknown topic config name')
  assert.match(await messageOf(startBroker({ properties: { 'num.io.threads': 'many' } })), 'num.io.threads')
})

brokerTest('stop() leaves neither process nor folder', async () => {
  const broker = await startBroker()
  const { pid, folder } = broker
  assert.ok(isAlive(pid) && existsSync(folder))
  await broker.stop()
  await broker.stop()
  assert.ok(!isAlive(pid) && !existsSync(folder))
})

brokerTest('a test process that is killed leaves neither process nor folder', async () => {
  const fixture = new URL('./broker.js', import.meta.url).href
  const program = `
    const { startBroker } = await import(${JSON.stringify(fixture)})
    const { pid, folder } = await startBroker()
    console.log(JSON.stringify([pid, folder]))
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  })
  const [line]: unknown[] = await once(createInterface(child.stdout), 'line')
  const [pid, folder]: unknown[] = JSON.parse(String(line))
  child.kill('SIGKILL')
  assert.ok(await vanishes(Number(pid), String(folder)))
})

test.run()
