/**
 * Dead letters on a real broker: what they carry, and that their message is settled when the broker has them, never
 * before (P8), however long that takes.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Message } from '../../ts/ports/engine.js'
import { startBroker } from '../broker/broker.js'
import {
  brokerTest,
  committedOffset,
  fill,
  Gate,
  group,
  LogBook,
  newLedger,
  optionsOf,
  readTopic,
  send,
  sharedBroker,
  until,
  Watched,
} from './support.js'

const broker = sharedBroker()

const textOf = (headers: Message['headers']): [string, string | undefined][] =>
  headers.map(([name, value]) => [name, value?.toString()])

function fail(message = 'no'): never {
  throw new TypeError(message)
}

/** A failure of the dead-letter topic shows within a second. */
const IMPATIENT = { 'message.timeout.ms': 1_000, 'topic.metadata.propagation.max.ms': 500 }

brokerTest(
  'a dead letter has the key, value, headers and timestamp byte for byte, and says what happened',
  async () => {
    const kafka = await broker()
    await kafka.createTopic('given-up')
    await kafka.createTopic('given-up.dead')
    const binary = Buffer.from([0, 255, 128, 10])
    const headers = [
      ['twice', binary],
      ['twice', null],
      ['', 'nameless'],
      ['empty', ''],
    ] as const
    await send(kafka, 'given-up', [
      { key: Buffer.from([255, 0, 1]), value: binary, headers, timestamp: 1_700_000_000_000 },
      { key: null, value: null, timestamp: 1_700_000_000_001 },
      { key: '', value: '', timestamp: 1_700_000_000_002 },
    ])
    const from = Date.now()
    const ledger = newLedger()
    const watched = new Watched(
      optionsOf(kafka, 'given-up', {
        retry: { maxAttempts: 2, delay: 1 },
        deadLetter: { topic: 'given-up.dead' },
        logger: new LogBook(),
      }),
      ledger,
      () => fail('it cannot be done'),
    )
    await until('all to be settled', async () => (await committedOffset(kafka, 'given-up')) === 3)
    const { deadLetters } = watched.consumer.stats()
    await watched.close()
    assert.is(deadLetters.delivered, 3)
    assert.is(deadLetters.pending, 0)

    const letters = await readTopic(kafka, 'given-up.dead')
    assert.is(letters.length, 3)
    const byTime = [...letters].sort((a, b) => a.timestamp - b.timestamp)
    const empty = Buffer.alloc(0)
    assert.equal(
      byTime.map(({ key, value, timestamp }) => ({ key, value, timestamp })),
      [
        { key: Buffer.from([255, 0, 1]), value: binary, timestamp: 1_700_000_000_000 },
        { key: null, value: null, timestamp: 1_700_000_000_001 },
        { key: empty, value: empty, timestamp: 1_700_000_000_002 },
      ],
    )
    for (const [offset, letter] of byTime.entries()) {
      const own = letter.headers.slice(0, -8)
      assert.equal(
        own,
        offset === 0 ? headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value)]) : [],
      )
      const added = textOf(letter.headers.slice(-8))
      const time = added.pop()
      assert.equal(added, [
        ['laneway.topic', 'given-up'],
        ['laneway.partition', '0'],
        ['laneway.offset', String(offset)],
        ['laneway.attempts', '2'],
        ['laneway.reason', 'its attempts are used up'],
        ['laneway.error.class', 'TypeError'],
        ['laneway.error.message', 'it cannot be done'],
      ])
      assert.is(time?.[0], 'laneway.time')
      const at = Date.parse(time?.[1] ?? '')
      assert.ok(at >= from && at <= Date.now(), time?.[1])
    }
  },
)

brokerTest('the topic may depend on the message, and payload: metadata leaves the value out', async () => {
  const kafka = await broker()
  await kafka.createTopic('sorted')
  await kafka.createTopic('sorted.a')
  await kafka.createTopic('sorted.b')
  await send(
    kafka,
    'sorted',
    ['a', 'b', 'a'].map((key) => ({ key, value: `secret of ${key}`, headers: [['h', key]] })),
  )
  const watched = new Watched(
    optionsOf(kafka, 'sorted', {
      retry: { maxAttempts: 1 },
      deadLetter: { topic: ({ key }) => `sorted.${key}`, payload: 'metadata' },
      logger: new LogBook(),
    }),
    newLedger(),
    () => fail(),
  )
  await until('all to be settled', async () => (await committedOffset(kafka, 'sorted')) === 3)
  await watched.close()
  for (const [key, count] of [
    ['a', 2],
    ['b', 1],
  ] as const) {
    const letters = await readTopic(kafka, `sorted.${key}`)
    assert.is(letters.length, count)
    for (const letter of letters) {
      assert.is(letter.value, null)
      assert.is(letter.key?.toString(), key)
      assert.equal(textOf(letter.headers)[0], ['h', key])
    }
  }
})

brokerTest(
  'a failed dead letter is no success: while its topic does not exist nothing is committed, its lane is closed, others go on, and it is said',
  async () => {
    const kafka = await broker()
    await kafka.createTopic('undeliverable')
    await send(kafka, 'undeliverable', [
      { key: 'bad', value: '0' },
      { key: 'bad', value: '1' },
      ...Array.from({ length: 50 }, (_, i) => ({ key: `good-${i}`, value: 'x' })),
    ])
    const log = new LogBook()
    const ledger = newLedger()
    const watched = new Watched(
      optionsOf(kafka, 'undeliverable', {
        retry: { maxAttempts: 1 },
        deadLetter: { topic: 'late.dead', kafka: IMPATIENT },
        logger: log,
      }),
      ledger,
      ({ offset }) => (offset === 0 ? fail() : undefined),
    )
    const health = () => watched.consumer.health()
    await until('the other keys', () => ledger.processed === 50)
    await until('the failure to show', () => health().deadLetters.failingForMs > 0)
    await until('the second attempt of the letter', () => health().deadLetters.failures >= 2)
    assert.is(ledger.processed, 50, 'the lane of the dead letter is closed')
    await until('a commit of the others', async () => ((await group(kafka, 'undeliverable'))[0]?.metadata ?? '') !== '')
    assert.is(await committedOffset(kafka, 'undeliverable'), 0)
    const blockedBy = health().partitions[0]?.blockedBy
    assert.is(blockedBy?.offset, 0)
    assert.is(blockedBy?.key?.toString(), 'bad')
    assert.is(blockedBy?.state, 'dead-lettering')
    assert.ok(health().isReady)
    const [problem = ''] = health().problems
    assert.match(problem, /1 dead letters? waits?, for \d+ ms now: .+/)
    assert.is(log.with('warn', 'a dead letter for late.dead was not delivered')[0]?.['code'], 'DEAD_LETTER_FAILED')

    await kafka.createTopic('late.dead')
    await until('everything to be committed', async () => (await committedOffset(kafka, 'undeliverable')) === 52)
    assert.is(ledger.processed, 51)
    assert.equal(health().problems, [])
    await watched.close()
    const letters = await readTopic(kafka, 'late.dead')
    assert.is(letters.length, 1, 'it was delivered once')
    assert.is(letters[0]?.value?.toString(), '0')
  },
)

brokerTest('a dead letter that its topic refuses is not settled, and arrives once the topic takes it', async () => {
  const kafka = await broker()
  await kafka.createTopic('refused')
  await kafka.createTopic('refused.dead', { config: { 'message.timestamp.before.max.ms': 60_000 } })
  await send(kafka, 'refused', [
    { key: 'bad', value: '0', timestamp: 1_700_000_000_000 },
    { key: 'good', value: '1' },
  ])
  const ledger = newLedger()
  const watched = new Watched(
    optionsOf(kafka, 'refused', {
      retry: { maxAttempts: 1 },
      deadLetter: { topic: 'refused.dead' },
      logger: new LogBook(),
    }),
    ledger,
    ({ key }) => (key?.toString() === 'bad' ? fail() : undefined),
  )
  await until('two failures', () => watched.consumer.stats().deadLetters.failures >= 2)
  assert.is(ledger.processed, 1)
  assert.ok((await committedOffset(kafka, 'refused')) <= 0)
  assert.match(watched.consumer.health().problems[0] ?? '', 'Broker: Invalid timestamp')
  await kafka.configureTopic('refused.dead', { 'message.timestamp.before.max.ms': '9223372036854775807' })
  await until('everything to be committed', async () => (await committedOffset(kafka, 'refused')) === 2)
  await watched.close()
  assert.is((await readTopic(kafka, 'refused.dead')).length, 1)
})

brokerTest('dead letters wait for a cluster of their own that is down, and are not lost with it', async () => {
  const kafka = await broker()
  await using other = await startBroker()
  await other.createTopic('elsewhere.dead')
  await other.halt()
  await kafka.createTopic('elsewhere')
  await send(kafka, 'elsewhere', [
    { key: 'bad', value: '0' },
    { key: 'good', value: '1' },
  ])
  const ledger = newLedger()
  const watched = new Watched(
    optionsOf(kafka, 'elsewhere', {
      retry: { maxAttempts: 1 },
      deadLetter: {
        topic: 'elsewhere.dead',
        kafka: { ...IMPATIENT, 'bootstrap.servers': other.bootstrapServers },
      },
      logger: new LogBook(),
    }),
    ledger,
    ({ key }) => (key?.toString() === 'bad' ? fail() : undefined),
  )
  await until('two failures', () => watched.consumer.stats().deadLetters.failures >= 2)
  assert.is(ledger.processed, 1)
  assert.ok((await committedOffset(kafka, 'elsewhere')) <= 0)
  assert.ok(watched.consumer.health().isReady)
  await other.restart()
  await until('everything to be committed', async () => (await committedOffset(kafka, 'elsewhere')) === 2)
  await watched.close()
  assert.is((await readTopic(other, 'elsewhere.dead')).length, 1)
})

brokerTest(
  'dead letters that cannot be delivered are bounded by the budgets, and all arrive in the order of their keys',
  async () => {
    const kafka = await broker()
    await kafka.createTopic('bounded')
    const count = 3_000
    await fill(kafka, { topic: 'bounded', messages: count, keys: 1_000, partitions: 1 })
    const watched = new Watched(
      optionsOf(kafka, 'bounded', {
        retry: { maxAttempts: 1 },
        deadLetter: { topic: 'bounded.dead', kafka: { ...IMPATIENT, 'queue.buffering.max.messages': 10 } },
        maxBufferedMessages: 300,
        logger: new LogBook(),
      }),
      newLedger(),
      () => fail(),
    )
    const most = { pending: 0, buffered: 0 }
    const look = () => {
      const { deadLetters, bufferedMessages } = watched.consumer.stats()
      most.pending = Math.max(most.pending, deadLetters.pending)
      most.buffered = Math.max(most.buffered, bufferedMessages)
      return deadLetters
    }
    await until(
      'failures, and the budget to be full',
      () => look().failures >= 1 && watched.consumer.health().partitions[0]?.isPaused === true,
    )
    await until(
      'every buffered message to wait for its letter',
      () => look().pending === watched.consumer.stats().bufferedMessages,
    )
    await kafka.createTopic('bounded.dead')
    await until('everything to be committed', async () => {
      look()
      return (await committedOffset(kafka, 'bounded')) === count
    })
    await watched.close()
    assert.ok(most.pending > 100 && most.pending <= 300, `${most.pending} letters waited`)
    assert.ok(most.buffered <= 300, `${most.buffered} messages were buffered`)
    const letters = await readTopic(kafka, 'bounded.dead')
    assert.is(letters.length, count)
    const last = new Map<string, number>()
    for (const { key, value } of letters) {
      assert.ok((last.get(String(key)) ?? -1) < Number(value))
      last.set(String(key), Number(value))
    }
  },
)

brokerTest(
  'a dead letter whose partition was reassigned is its new owner’s affair, and is not sent by the old one',
  async () => {
    const kafka = await broker()
    await kafka.createTopic('moved', { partitions: 2 })
    for (const partition of [0, 1]) await send(kafka, 'moved', [{ partition, key: 'k', value: String(partition) }])
    const options = optionsOf(kafka, 'moved', {
      retry: { maxAttempts: 1 },
      deadLetter: { topic: 'moved.dead', kafka: IMPATIENT },
      rebalanceTimeout: 100,
      logger: new LogBook(),
    })
    const one = new Watched(options, newLedger(), () => fail())
    await until('two letters to wait', () => one.consumer.stats().deadLetters.pending === 2)
    const two = new Watched(options, newLedger(), () => fail())
    const letters = (watched: Watched) => watched.consumer.stats().deadLetters
    await until('a letter at each', () => letters(one).pending === 1 && letters(two).pending === 1)
    await kafka.createTopic('moved.dead')
    await until('everything to be committed', async () => {
      return (await committedOffset(kafka, 'moved', 0)) === 1 && (await committedOffset(kafka, 'moved', 1)) === 1
    })
    assert.equal([letters(one).delivered, letters(two).delivered], [1, 1])
    await two.close()
    await one.close()
    assert.is((await readTopic(kafka, 'moved.dead')).length, 2)
  },
)

brokerTest('a message whose dead letter was not acknowledged at the end is run again after a restart', async () => {
  const kafka = await broker()
  await kafka.createTopic('unfinished')
  await send(kafka, 'unfinished', [{ key: 'bad', value: '0' }])
  const options = optionsOf(kafka, 'unfinished', {
    retry: { maxAttempts: 1 },
    deadLetter: { topic: 'unfinished.dead', kafka: IMPATIENT },
    closeTimeout: 100,
    logger: new LogBook(),
  })
  const first = new Watched(options, newLedger(), () => fail())
  await until('a failure', () => first.consumer.stats().deadLetters.failures >= 1)
  await first.close()
  assert.ok((await committedOffset(kafka, 'unfinished')) <= 0)
  const ledger = newLedger()
  const second = new Watched(options, ledger)
  await until('it to run again', () => ledger.processed === 1)
  await second.close()
  assert.is(await committedOffset(kafka, 'unfinished'), 1)
})

brokerTest('close() lets dead letters arrive that were on their way, so that a restart sends none twice', async () => {
  const kafka = await broker()
  await kafka.createTopic('closing')
  await kafka.createTopic('closing.dead')
  const count = 200
  await send(
    kafka,
    'closing',
    Array.from({ length: count }, (_, i) => ({ key: `key-${i}`, value: String(i) })),
  )
  const gate = new Gate()
  let started = 0
  const watched = new Watched(
    optionsOf(kafka, 'closing', {
      retry: { maxAttempts: 1 },
      deadLetter: { topic: 'closing.dead', kafka: { 'linger.ms': 200 } },
      logger: new LogBook(),
    }),
    newLedger(),
    async () => {
      started += 1
      await gate.passed()
      fail()
    },
  )
  await until('all to run', () => started === count)
  const closed = watched.close()
  gate.open()
  await closed
  assert.is(await committedOffset(kafka, 'closing'), count)
  assert.is((await readTopic(kafka, 'closing.dead')).length, count)
})

brokerTest('close() waits for a dead letter up to its deadline, unless an abort follows', async () => {
  const kafka = await broker()
  await kafka.createTopic('impatient')
  await send(kafka, 'impatient', [{ key: 'bad', value: '0' }])
  const options = optionsOf(kafka, 'impatient', {
    retry: { maxAttempts: 1 },
    deadLetter: { topic: 'impatient.dead', kafka: IMPATIENT },
    closeTimeout: 120_000,
    logger: new LogBook(),
  })
  const watched = new Watched(options, newLedger(), () => fail())
  await until('a failure', () => watched.consumer.stats().deadLetters.failures >= 1)
  const from = performance.now()
  const drained = watched.consumer.close()
  assert.is(watched.consumer.health().state, 'closing')
  await watched.close('abort')
  await drained
  assert.ok(performance.now() - from < 30_000)
  assert.is(watched.consumer.health().state, 'closed')
})

brokerTest('a payload that the broker refuses for its size is left out, and the letter says so', async () => {
  const kafka = await broker()
  await kafka.createTopic('large', { config: { 'max.message.bytes': 5_000_000 } })
  await kafka.createTopic('large.dead', { config: { 'max.message.bytes': 10_000 } })
  await send(kafka, 'large', [
    { key: 'large', value: Buffer.alloc(100_000, 1) },
    { key: 'larger', value: Buffer.alloc(3_000_000, 1) },
  ])
  const watched = new Watched(
    optionsOf(kafka, 'large', {
      retry: { maxAttempts: 1 },
      deadLetter: { topic: 'large.dead' },
      logger: new LogBook(),
    }),
    newLedger(),
    () => fail(),
  )
  await until('all to be settled', async () => (await committedOffset(kafka, 'large')) === 2)
  await watched.close()
  const letters = await readTopic(kafka, 'large.dead')
  assert.equal(letters.map(({ key }) => key?.toString()).sort(), ['large', 'larger'])
  for (const { value, headers } of letters) {
    assert.is(value, null)
    assert.equal(textOf(headers).at(-1), ['laneway.payload', 'omitted: too large'])
  }
})

test.run()
