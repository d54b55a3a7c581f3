/** What users write by hand keeps the promises that its row in the tables claims. */
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { handleByKey } from './key-chains.js'
import { Semaphore } from './semaphore.js'

const message = (key: string, number: number) => ({ key: Buffer.from(key), number })

test('messages of one key are handled in order, those of others meanwhile', async () => {
  const events: string[] = []
  await handleByKey([message('a', 0), message('b', 0), message('a', 1)], async ({ key, number }) => {
    events.push(`start ${key} ${number}`)
    await delay(0)
    events.push(`end ${key} ${number}`)
  })
  assert.ok(events.indexOf('end a 0') < events.indexOf('start a 1'))
  assert.ok(events.indexOf('start b 0') < events.indexOf('end a 0'))
  assert.is(events.length, 6)
})

test('a batch has ended when its last message has', async () => {
  let ended = 0
  await handleByKey([message('a', 0), message('a', 1), message('b', 0)], async () => {
    await delay(0)
    ended += 1
  })
  assert.is(ended, 3)
})

test('the semaphore lets in as many as it has places, the rest in their order', async () => {
  const semaphore = new Semaphore(2)
  const started: number[] = []
  let inside = 0
  let most = 0
  const work = (number: number) => async () => {
    started.push(number)
    inside += 1
    most = Math.max(most, inside)
    await delay(0)
    inside -= 1
  }
  const numbers = Array.from({ length: 10 }, (_, number) => number)
  await Promise.all(numbers.map((number) => semaphore.run(work(number))))
  assert.is(most, 2)
  assert.equal(started, numbers)
})

test('a place is free again after work that failed', async () => {
  const semaphore = new Semaphore(1)
  const failing = semaphore.run(() => {
    throw new Error('failed')
  })
  await failing.then(
    () => assert.unreachable(),
    () => undefined,
  )
  let entered = false
  await semaphore.run(() => {
    entered = true
  })
  assert.ok(entered)
})

test.run()
