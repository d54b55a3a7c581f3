/** Exactly once on a real broker: outputs and offsets are committed together, whatever is killed, stopped or refused. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LanewayError } from '../../ts/errors.js'
import { addon } from '../../ts/native.js'
import type { Handler, Message } from '../../ts/ports/engine.js'
import { TestProducer } from '../../ts/testing/index.js'
import {
  allCommitted,
  assertExactlyOnce,
  createTopics,
  Feed,
  isDeadLetter,
  member,
  quietLogger,
  readCommitted,
  startMember,
  transform,
} from './exactly-once.js'
import { openTransaction } from './open-transaction.js'
import { brokerTest, fill, group, newLedger, sharedBroker, until, Watched } from './support.js'

const PARTITIONS = 4
const TRANSACTION_TIMEOUT_MS = 1_000

const broker = sharedBroker()
const tightBroker = sharedBroker({ properties: { 'offset.metadata.max.bytes': 512 } })
/** Aborts transactions soon after their time is over. */
const hastyBroker = sharedBroker({
  properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': 200 },
})

/** Slow enough that a test of some thousand messages has a middle. */
function slowed(handler: Handler): Handler {
  return async (message, context) => {
    await sleep(Math.random() * 20)
    await handler(message, context)
  }
}

async function codeOf(running: Promise<void>): Promise<string> {
  const error: unknown = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return LanewayError.is(error) ? error.code : String(error)
}

brokerTest('each message becomes one output in the order of its key; failed attempts leave nothing', async () => {
  const kafka = await broker()
  const filling = { topic: 'transformed', messages: 5_000, keys: 100, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const watched = new Watched(member(kafka, filling.topic, 'one'), newLedger(), transform('transformed.out'))
  await allCommitted(kafka, filling.topic, PARTITIONS)
  await watched.close()
  await assertExactlyOnce(kafka, filling)
})

brokerTest('killed again and again and restarted with its transactional.id, it repeats no output', async () => {
  const kafka = await broker()
  const filling = { topic: 'killed', messages: 10_000, keys: 200, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const options = member(kafka, filling.topic, 'killed', { kafka: { 'session.timeout.ms': 1_000 } })
  for (let kill = 0; kill < 5; kill += 1) {
    const { child, handled, ended } = startMember(options, 'killed.out')
    const at = 200 + Math.random() * 1_000
    await until(`${at} messages`, () => handled() > at)
    child.kill('SIGKILL')
    await ended
  }
  const { child, ended } = startMember(options, 'killed.out')
  await allCommitted(kafka, filling.topic, PARTITIONS)
  child.kill('SIGTERM')
  await ended
  await assertExactlyOnce(kafka, filling)
})

brokerTest('with a key that stalls, the gap map is in the transaction: a restart repeats no output', async () => {
  const kafka = await broker()
  const filling = { topic: 'stalled', messages: 4_000, keys: 100, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const options = member(kafka, filling.topic, 'stalled')
  const handler = transform('stalled.out')
  const isStalled = ({ key }: Message) => String(key) === 'key-1'
  const first = newLedger()
  const one = new Watched(options, first, (message, context) => {
    if (!isStalled(message)) return handler(message, context)
    context.send({ topic: 'stalled.out', value: 'never' })
    return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)))
  })
  const deadLetters = Array.from({ length: 4_000 }, (_, i) => i).filter((i) => isDeadLetter(i) && i % 100 !== 1).length
  await until('the other keys', () => first.processed >= 3_960 - deadLetters)
  await until('their dead letters', () => one.consumer.stats().settled >= 3_960)
  await one.close('abort')
  const stalledPartition = (await group(kafka, 'stalled')).find(({ partition }) => partition === 1)
  assert.ok(stalledPartition !== undefined)
  assert.is(addon.decodeMetadata(stalledPartition.offset, stalledPartition.metadata, 'laneway').gaps.length, 40)

  const two = new Watched(options, newLedger(), handler)
  await allCommitted(kafka, filling.topic, PARTITIONS)
  const { skippedSettled } = two.consumer.stats()
  await two.close()
  assert.is(skippedSettled, 960)
  await assertExactlyOnce(kafka, filling)
})

for (const protocol of ['range', 'cooperative-sticky', 'consumer'] as const) {
  brokerTest(`members that come and go (${protocol}) with outputs pending repeat none and lose none`, async () => {
    const kafka = await broker()
    const topic = `moved-${protocol}`
    const shape = { topic, keys: 200, partitions: PARTITIONS }
    await createTopics(kafka, topic, PARTITIONS)
    const feed = new Feed(kafka, shape)
    const properties: Record<string, string> =
      protocol === 'consumer' ? { 'group.protocol': 'consumer' } : { 'partition.assignment.strategy': protocol }
    const join = (name: string) => {
      const ledger = newLedger()
      const options = member(kafka, topic, `${topic} ${name}`, { kafka: properties })
      return { ledger, watched: new Watched(options, ledger, slowed(transform(`${topic}.out`))) }
    }
    const first = join('first')
    await until('some messages', () => first.ledger.processed > 500)
    const second = join('second')
    await until('some of the second member', () => second.ledger.processed > 300)
    await first.watched.close('abort')
    const third = join('third')
    await until('some of the third member', () => third.ledger.processed > 300)
    await second.watched.close()
    const messages = await feed.stop()
    await allCommitted(kafka, topic, PARTITIONS)
    await third.watched.close()
    await assertExactlyOnce(kafka, { ...shape, messages })
  })
}

brokerTest(
  'a second consumer with the same transactional.id fences the first, whose run() rejects with FENCED',
  async () => {
    const kafka = await broker()
    const shape = { topic: 'fenced', keys: 200, partitions: PARTITIONS }
    await createTopics(kafka, shape.topic, PARTITIONS)
    const feed = new Feed(kafka, shape)
    const options = member(kafka, shape.topic, 'fenced')
    const ledger = newLedger()
    const first = new Watched(options, ledger, slowed(transform('fenced.out')))
    await until('some messages', () => ledger.processed > 200)
    const second = new Watched(options, newLedger(), transform('fenced.out'))
    assert.is(await codeOf(first.running), 'FENCED')
    const messages = await feed.stop()
    await allCommitted(kafka, shape.topic, PARTITIONS)
    await second.close()
    await assertExactlyOnce(kafka, { ...shape, messages })
  },
)

brokerTest(
  'offsets in a transaction that another member has left open are waited for, and nothing is repeated',
  async () => {
    const kafka = await broker()
    const filling = { topic: 'unstable', messages: 1_000, keys: 10, partitions: 1 }
    await createTopics(kafka, filling.topic, 1)
    await fill(kafka, filling)
    const first = newLedger()
    const handler = transform('unstable.out')
    const one = new Watched(member(kafka, 'unstable', 'unstable one'), first, (message, context) =>
      String(message.key) === 'key-0' ? new Promise(() => undefined) : handler(message, context),
    )
    await until('the other keys', () => one.consumer.stats().settled >= 900)
    await one.close('abort')

    const open = await openTransaction(kafka, { group: 'unstable', topic: 'unstable', partition: 0, offset: 0 })
    let warnings = 0
    const warn = (text: string): void => {
      if (text.includes('not readable yet')) warnings += 1
    }
    const logger = { ...quietLogger, warn }
    const second = newLedger()
    const two = new Watched(member(kafka, 'unstable', 'unstable two', { logger }), second, handler)
    await until('it to ask again', () => warnings >= 2)
    assert.is(second.processed, 0)
    await open.abort()
    await allCommitted(kafka, filling.topic, 1)
    await two.close()
    await assertExactlyOnce(kafka, filling)
  },
)

brokerTest(
  'an output that cannot be delivered rejects run() with what is wrong, and none of its transaction is seen',
  async () => {
    const kafka = await broker()
    await kafka.createTopic('undeliverable', { partitions: 1 })
    await fill(kafka, { topic: 'undeliverable', messages: 1, keys: 1, partitions: 1 })
    const properties = { 'topic.metadata.propagation.max.ms': 500 }
    const wrong = [
      { code: 'TOPIC_UNKNOWN', output: { topic: 'undeliverable.nowhere', value: 'x' } },
      { code: 'MESSAGE_TOO_LARGE', output: { topic: 'undeliverable', value: Buffer.alloc(1_500_000) } },
    ]
    for (const { code, output } of wrong) {
      const options = member(kafka, 'undeliverable', code, { transactional: { id: code, kafka: properties } })
      const watched = new Watched(options, newLedger(), (_, { send }) => {
        send({ topic: 'undeliverable', value: 'seen by nobody' })
        send(output)
      })
      assert.is(await codeOf(watched.running), code)
    }
    const seen = await readCommitted(kafka, 'undeliverable', 1)
    assert.equal(
      seen.map(({ value }) => value),
      ['0'],
    )
  },
)

brokerTest('outputs above the budget are committed early, and messages wait meanwhile', async () => {
  const kafka = await broker()
  const filling = { topic: 'large', messages: 2_000, keys: 50, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const budget = 256 * 1024
  const output = Buffer.alloc(4 * 1024, 'x')
  const settings = { maxBufferedBytes: budget, commitInterval: 3_600_000, concurrency: 16, maxRunLength: 4 }
  const ledger = newLedger()
  let most = 0
  const watched = new Watched(member(kafka, 'large', 'large', settings), ledger, ({ key, partition }, { send }) => {
    send({ topic: 'large.out', key, partition, value: output })
    most = Math.max(most, watched.consumer.stats().outputBytes)
  })
  await until('all messages', () => ledger.processed >= filling.messages)
  const { transactions } = watched.consumer.stats()
  await watched.close()
  assert.ok(transactions >= (filling.messages * output.length) / (2 * budget), `${transactions} transactions`)
  // What was taken before it was full may send, too: concurrency x maxRunLength messages.
  assert.ok(most > budget / 2 && most < budget + 16 * 4 * 2 * output.length, `${most} bytes`)
  assert.is((await readCommitted(kafka, 'large.out', PARTITIONS)).length, filling.messages)
})

brokerTest('there is no transaction where nothing is to be committed', async () => {
  const kafka = await broker()
  await kafka.createTopic('idle', { partitions: 1 })
  const ledger = newLedger()
  const watched = new Watched(member(kafka, 'idle', 'idle', { commitInterval: 5 }), ledger)
  await using producer = new TestProducer({ 'bootstrap.servers': kafka.bootstrapServers })
  for (let i = 1; i <= 5; i += 1) {
    await producer.send({ topic: 'idle', key: 'k', value: `${i}` })
    await producer.flush()
    await until('its commit', () => watched.consumer.stats().partitions[0]?.committed === i)
  }
  await watched.close()
  assert.is(watched.consumer.stats().transactions, 5)
})

brokerTest(
  'a broker with a lower limit for metadata aborts a transaction, and no output is lost or repeated',
  async () => {
    const kafka = await tightBroker()
    const filling = { topic: 'tight', messages: 20_000, keys: 20_000, partitions: 1 }
    await createTopics(kafka, filling.topic, 1)
    await fill(kafka, filling)
    const handler = transform('tight.out')
    const settings = { order: 'none', concurrency: 50_000, maxBufferedMessages: 50_000, commitInterval: 200 } as const
    const first = newLedger('none')
    let started = 0
    const one = new Watched(member(kafka, 'tight', 'tight', settings), first, (message, context) => {
      started += 1
      if (message.offset > 0 && Math.random() < 0.5) return handler(message, context)
      return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)))
    })
    await until('a refusal', () => one.consumer.stats().metadataFallbacks > 0)
    await until('a transaction', () => one.consumer.stats().transactions > 0)
    await one.close('abort')
    assert.ok(one.consumer.stats().abortedTransactions > 0)
    const [partition] = await group(kafka, 'tight')
    const { highest } = addon.decodeMetadata(0, partition?.metadata ?? '', 'laneway')
    assert.ok(highest > 0 && highest < started - 100, `the map covers ${highest} of ${started} started messages`)

    const two = new Watched(member(kafka, 'tight', 'tight', settings), newLedger('none'), handler)
    await allCommitted(kafka, filling.topic, 1)
    await two.close()
    await assertExactlyOnce(kafka, filling)
  },
)

brokerTest('a broker that is killed and started again in the middle of commits costs no output', async () => {
  const kafka = await hastyBroker()
  const shape = { topic: 'restarted', keys: 200, partitions: PARTITIONS }
  await createTopics(kafka, shape.topic, PARTITIONS)
  const feed = new Feed(kafka, shape)
  const ledger = newLedger()
  const watched = new Watched(member(kafka, 'restarted', 'restarted'), ledger, slowed(transform('restarted.out')))
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    const from = ledger.processed
    await until('some messages', () => ledger.processed > from + 800)
    await kafka.restart(signal)
  }
  const messages = await feed.stop()
  await allCommitted(kafka, shape.topic, PARTITIONS)
  await watched.close()
  await assertExactlyOnce(kafka, { ...shape, messages })
})

brokerTest(
  'a process that is stopped for longer than its transaction may last is fenced or goes on, and repeats nothing',
  async () => {
    const kafka = await hastyBroker()
    const shape = { topic: 'stopped', keys: 200, partitions: PARTITIONS }
    await createTopics(kafka, shape.topic, PARTITIONS)
    const feed = new Feed(kafka, shape)
    const options = member(kafka, shape.topic, 'stopped', {
      commitInterval: 1,
      kafka: { 'session.timeout.ms': 1_500, 'heartbeat.interval.ms': 300 },
      transactional: { id: 'stopped', kafka: { 'transaction.timeout.ms': TRANSACTION_TIMEOUT_MS } },
    })
    let current = startMember(options, 'stopped.out')
    const runAgainWhenFenced = async (): Promise<string> => {
      for (;;) {
        const code = await current.ended
        if (code !== 'FENCED') return code
        current = startMember(options, 'stopped.out')
      }
    }
    const ended = runAgainWhenFenced()
    for (let stop = 0; stop < 5; stop += 1) {
      const stopped = current
      const from = stopped.handled()
      await until('some messages', () => current !== stopped || stopped.handled() > from + 200)
      const { child } = current
      child.kill('SIGSTOP')
      // What the fault is: a process that does nothing for so long.
      await sleep(2 * TRANSACTION_TIMEOUT_MS)
      child.kill('SIGCONT')
    }
    const messages = await feed.stop()
    await allCommitted(kafka, shape.topic, PARTITIONS)
    current.child.kill('SIGTERM')
    assert.is(await ended, '')
    await assertExactlyOnce(kafka, { ...shape, messages })
  },
)

test.run()
