/**
 * Handlers that nearly always end at once, so that partitions have one lane for all keys; then a few that wait or fail,
 * and a member that comes and goes. None of it may cost a message, or the order of a key.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer } from '../../ts/consumer.js'
import { brokerTest, fill, group, newLedger, optionsOf, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()

const MESSAGES = 120_000
/** So many offsets lie between two messages whose handler does not end at once. */
const SELDOM = 9_001

/** How often one of the consumer's partitions was seen with one lane for all keys. */
class Spectator implements Disposable {
  seen = 0
  readonly #timer: NodeJS.Timeout

  constructor(consumer: ParallelConsumer) {
    this.#timer = setInterval(() => {
      if (consumer.stats().partitions.some(({ commonLane }) => commonLane)) this.seen += 1
    }, 1)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

for (const kind of ['without promises', 'with promises'] as const) {
  brokerTest(
    `handlers ${kind}: some wait, some fail; every message is handled once, in the order of its key`,
    async () => {
      const kafka = await broker()
      const topic = `common-lane-${kind.replace(' ', '-')}`
      await kafka.createTopic(topic, { partitions: 4 })
      await fill(kafka, { topic, messages: MESSAGES, keys: 2_000, partitions: 4 })
      const ledger = newLedger()
      const attempts = new Map<string, number>()
      const consumer: ParallelConsumer = new ParallelConsumer(optionsOf(kafka, topic, { retry: { delay: 20 } }))
      const running = consumer.run((message, { attempt }) => {
        ledger.start(message, attempt)
        if (message.offset % SELDOM === SELDOM - 1) {
          attempts.set(`${message.partition}/${message.offset}`, attempt)
          if (message.partition < 2) return sleep(30).then(() => ledger.end(message))
          if (attempt < 3) {
            ledger.fail(message)
            throw new Error('planned')
          }
        }
        ledger.end(message)
        return kind === 'with promises' ? Promise.resolve() : undefined
      })
      running.catch(() => undefined)
      const spectator = new Spectator(consumer)
      try {
        await Promise.race([running, until('all messages', () => ledger.distinct >= MESSAGES)])
      } finally {
        spectator[Symbol.dispose]()
        await consumer.close()
      }
      await running
      assert.ok(spectator.seen > 0, 'there was no common lane')
      assert.is(ledger.distinct, MESSAGES, 'nothing is lost')
      assert.is(ledger.duplicates, 0)
      assert.is(ledger.inversions, 0)
      assert.is(attempts.size, 4 * Math.floor(MESSAGES / 4 / SELDOM))
      for (const [at, count] of attempts) assert.is(count, at < '2' ? 1 : 3, at)
      for (const { offset, logEnd } of await group(kafka, topic)) assert.is(offset, logEnd)
    },
  )
}

brokerTest('beside a message that stalls, the other keys of its partition have one lane', async () => {
  const kafka = await broker()
  const topic = 'common-lane-beside-a-stalled-key'
  await kafka.createTopic(topic, { partitions: 1 })
  await fill(kafka, { topic, messages: MESSAGES, keys: 2_000, partitions: 1 })
  const ledger = newLedger()
  let endStall = (): void => undefined
  const stall = new Promise<void>((resolve) => {
    endStall = resolve
  })
  const consumer: ParallelConsumer = new ParallelConsumer(optionsOf(kafka, topic))
  const running = consumer.run((message, { attempt }) => {
    ledger.start(message, attempt)
    if (message.offset === 0) return stall.then(() => ledger.end(message))
    ledger.end(message)
    return undefined
  })
  running.catch(() => undefined)
  const spectator = new Spectator(consumer)
  try {
    // All but those of the key that stalls, which are a two-thousandth.
    await Promise.race([running, until('the others', () => ledger.distinct >= MESSAGES * 0.99)])
    assert.is(consumer.stats().partitions[0]?.committable, 0)
    assert.ok(spectator.seen > 0, 'there was no common lane beside the stalled key')
    endStall()
    await Promise.race([running, until('all messages', () => ledger.distinct >= MESSAGES)])
  } finally {
    spectator[Symbol.dispose]()
    endStall()
    await consumer.close()
  }
  await running
  assert.is(ledger.distinct, MESSAGES)
  assert.is(ledger.duplicates, 0)
  assert.is(ledger.inversions, 0)
  for (const { offset, logEnd } of await group(kafka, topic)) assert.is(offset, logEnd)
})

brokerTest('partitions move while they have one lane for all keys: nothing is lost or repeated', async () => {
  const kafka = await broker()
  const topic = 'common-lane-moves'
  await kafka.createTopic(topic, { partitions: 6 })
  const ledger = newLedger()
  const options = optionsOf(kafka, topic)
  await using one = new Watched(options, ledger)
  // All the while messages come, and members with them.
  const filled = fill(kafka, { topic, messages: MESSAGES, keys: 2_000, partitions: 6 })
  const spectator = new Spectator(one.consumer)
  try {
    await until('a common lane', () => spectator.seen > 0)
  } finally {
    spectator[Symbol.dispose]()
  }
  await using two = new Watched(options, ledger)
  await until('both to have partitions', () => two.consumer.stats().partitions.length > 0)
  await until('both to work', () => two.consumer.stats().settled > 0)
  await one.close()
  await filled
  await until('all messages', () => ledger.distinct >= MESSAGES)
  await two.close()
  assert.is(ledger.distinct, MESSAGES)
  assert.is(ledger.inversions, 0)
  assert.is(ledger.duplicates, 0)
  for (const { offset, logEnd } of await group(kafka, topic)) assert.is(offset, logEnd)
})

test.run()
