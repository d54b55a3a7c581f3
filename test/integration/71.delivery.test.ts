/**
 * What becomes of messages that fail, on a real broker: the policies, what a handler may throw, poison keys, timeouts,
 * decoders, and what health() says meanwhile.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer } from '../../ts/consumer.js'
import { DeadLetterMessage, DropMessage, FatalError, RetryMessage } from '../../ts/outcomes.js'
import {
  brokerTest,
  committedOffset,
  errorOf,
  Gate,
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

function fail(message = 'no'): never {
  throw new Error(message)
}

/** A topic of one partition with one message per key and value. */
async function topicOf(topic: string, messages: readonly (readonly [key: string, value: string])[]) {
  const kafka = await broker()
  await kafka.createTopic(topic)
  await send(
    kafka,
    topic,
    messages.map(([key, value]) => ({ key, value })),
  )
  return kafka
}

// --- When the attempts are used up -----------------------------------------------------------------------------------

brokerTest("onExhausted: 'stop' rejects run() with the message named, and commits what was settled", async () => {
  const kafka = await topicOf('stop', [
    ['a', '0'],
    ['b', '1'],
    ['c', '2'],
  ])
  const ledger = newLedger()
  const options = optionsOf(kafka, 'stop', { retry: { maxAttempts: 2, delay: 1 }, logger: new LogBook() })
  const watched = new Watched(options, ledger, async ({ offset }) => {
    if (offset !== 1) return
    await until('the others', () => ledger.processed === 2)
    fail('never')
  })
  const error = await errorOf(watched.running)
  assert.is(error.code, 'RETRIES_EXHAUSTED')
  assert.equal(error.details, { topic: 'stop', partition: 0, offset: 1, attempts: 2 })
  assert.is((error.cause as Error).message, 'never')
  assert.is(await committedOffset(kafka, 'stop'), 1)
  const rest = newLedger()
  const next = new Watched(optionsOf(kafka, 'stop'), rest)
  await until('the rest', async () => (await committedOffset(kafka, 'stop')) === 3)
  await next.close()
  assert.is(rest.processed, 1, 'only the failed one was left')
})

brokerTest("onExhausted: 'drop' settles the message, counts the reason and says it once", async () => {
  const kafka = await topicOf(
    'drop',
    Array.from({ length: 30 }, (_, i) => [`key-${i % 3}`, String(i)] as const),
  )
  const log = new LogBook()
  const ledger = newLedger()
  const options = optionsOf(kafka, 'drop', { retry: { maxAttempts: 2, delay: 1 }, onExhausted: 'drop', logger: log })
  const watched = new Watched(options, ledger, ({ key }) => (key?.toString() === 'key-0' ? fail() : undefined))
  await until('all to be committed', async () => (await committedOffset(kafka, 'drop')) === 30)
  assert.equal(watched.consumer.stats().drops, { 'its attempts are used up': 10 })
  await watched.close()
  assert.is(ledger.processed, 20)
  assert.is(ledger.inversions, 0)
  assert.is(log.with('warn', 'dropped drop [0] at offset').length, 1)
})

brokerTest("onExhausted: 'block' keeps its lane closed and nothing else; a restart tries again", async () => {
  const kafka = await topicOf('block', [
    ['bad', '0'],
    ['bad', '1'],
    ['good', '2'],
    ['good', '3'],
  ])
  const ledger = newLedger()
  const log = new LogBook()
  const options = optionsOf(kafka, 'block', { retry: { maxAttempts: 1 }, onExhausted: 'block', logger: log })
  const watched = new Watched(options, ledger, ({ offset }) => (offset === 0 ? fail() : undefined))
  await until('the other key', () => ledger.processed === 2)
  await until('the block to show', () => watched.consumer.health().problems.length > 0)
  const { problems, partitions, isReady } = watched.consumer.health()
  assert.equal(problems, ['block [0]: offset 0 blocks its lane for good'])
  assert.is(partitions[0]?.blockedBy?.state, 'blocked')
  assert.ok(isReady)
  assert.is(log.with('error', 'block [0] at offset 0 blocks its lane until the consumer is restarted').length, 1)
  const closing = performance.now()
  await watched.close()
  assert.ok(performance.now() - closing < 10_000, 'a blocked lane does not hold close() up')
  assert.is(await committedOffset(kafka, 'block'), 0)
  const rest = newLedger()
  const next = new Watched(options, rest)
  await until('all to be committed', async () => (await committedOffset(kafka, 'block')) === 4)
  await next.close()
  assert.is(rest.processed, 2)
})

// --- What a handler throws on purpose --------------------------------------------------------------------------------

brokerTest('RetryMessage comes back after its own delay, also where the policy would give up', async () => {
  const kafka = await topicOf('again', [['a', '0']])
  const attempts: { attempt: number; at: number; firstFailedAt: number | undefined }[] = []
  const options = optionsOf(kafka, 'again', { retry: { maxAttempts: 1 }, logger: new LogBook() })
  const watched = new Watched(options, newLedger(), (_, { attempt, firstFailedAt }) => {
    attempts.push({ attempt, firstFailedAt, at: Date.now() })
    if (attempt < 4) throw new RetryMessage({ delay: 120 })
  })
  await until('it to be committed', async () => (await committedOffset(kafka, 'again')) === 1)
  await watched.close()
  assert.equal(
    attempts.map(({ attempt }) => attempt),
    [1, 2, 3, 4],
  )
  const [first, ...later] = attempts
  assert.is(first?.firstFailedAt, undefined)
  let before = first?.at ?? 0
  for (const { at, firstFailedAt = 0 } of later) {
    assert.ok(at - before >= 119, `again after ${at - before} ms`)
    assert.ok(Math.abs(firstFailedAt - (first?.at ?? 0)) < 100, 'each later attempt is told when the first one failed')
    before = at
  }
})

brokerTest('DropMessage and DeadLetterMessage settle at once, with their reason, and their run goes on', async () => {
  const kafka = await topicOf(
    'on-purpose',
    Array.from({ length: 6 }, (_, i) => ['one key', String(i)] as const),
  )
  await kafka.createTopic('on-purpose.dead')
  const seen: number[] = []
  const options = optionsOf(kafka, 'on-purpose', { deadLetter: { topic: 'on-purpose.dead' }, logger: new LogBook() })
  const watched = new Watched(options, newLedger(), ({ offset }) => {
    seen.push(offset)
    if (offset % 3 === 1) throw new DropMessage('expired')
    if (offset % 3 === 2) throw new DeadLetterMessage('of no known kind')
  })
  await until('all to be committed', async () => (await committedOffset(kafka, 'on-purpose')) === 6)
  assert.equal(watched.consumer.stats().drops, { expired: 2 })
  await watched.close()
  assert.equal(seen, [0, 1, 2, 3, 4, 5])
  const letters = await readTopic(kafka, 'on-purpose.dead')
  assert.equal(
    letters.map(({ value }) => value?.toString()),
    ['2', '5'],
  )
  const headers = new Map(letters[0]?.headers.map(([name, value]) => [name, value?.toString()]))
  assert.is(headers.get('laneway.reason'), 'of no known kind')
  assert.is(headers.get('laneway.attempts'), '1')
})

brokerTest(
  'FatalError ends run() with FATAL_HANDLER; other handlers end first, and the message is not settled',
  async () => {
    const kafka = await topicOf('fatal', [
      ['a', '0'],
      ['b', '1'],
    ])
    const gate = new Gate()
    const ledger = newLedger()
    const watched = new Watched(optionsOf(kafka, 'fatal', { logger: new LogBook() }), ledger, async ({ offset }) => {
      if (offset === 0) return gate.passed()
      throw new FatalError('the database is gone')
    })
    await until('the failure', () => watched.consumer.health().state === 'failed')
    gate.open()
    const error = await errorOf(watched.running)
    assert.is(error.code, 'FATAL_HANDLER')
    assert.match(error.message, 'fatal [0] at offset 1 ends the consumer: the database is gone')
    assert.instance(error.cause, FatalError)
    assert.is(ledger.processed, 1)
    assert.is(await committedOffset(kafka, 'fatal'), 1)
  },
)

brokerTest('retryable() decides by the error, and is told the message, the attempt and the first failure', async () => {
  const kafka = await topicOf('selective', [
    ['a', 'passing'],
    ['b', 'hopeless'],
  ])
  const asked: unknown[] = []
  const attempts = new Map<string, number>()
  const options = optionsOf(kafka, 'selective', {
    retry: {
      maxAttempts: 5,
      delay: 1,
      retryable: (error, { message, attempt, firstFailedAt }) => {
        asked.push([String(message.value), attempt, typeof firstFailedAt])
        return (error as Error).message === 'passing'
      },
    },
    onExhausted: 'drop',
    logger: new LogBook(),
  })
  const watched = new Watched(options, newLedger(), ({ value }, { attempt }) => {
    attempts.set(String(value), attempt)
    if (attempt < 3) fail(String(value))
  })
  await until('all to be committed', async () => (await committedOffset(kafka, 'selective')) === 2)
  assert.equal(watched.consumer.stats().drops, { 'its error is not retryable': 1 })
  await watched.close()
  assert.equal(Object.fromEntries(attempts), { passing: 3, hopeless: 1 })
  const sorted = asked.map(String).sort()
  assert.equal(sorted, ['hopeless,1,undefined', 'passing,1,undefined', 'passing,2,number'])
})

// --- Poison keys -----------------------------------------------------------------------------------------------------

brokerTest(
  "poisonKeys 'park': after so many failures in a row the key waits for its cool-down, others do not",
  async () => {
    const kafka = await topicOf('parked', [
      ['bad', '0'],
      ['good', '1'],
      ['good', '2'],
    ])
    const at: number[] = []
    const options = optionsOf(kafka, 'parked', {
      retry: { maxAttempts: 50, delay: 0 },
      poisonKeys: { after: 3, coolDown: 700 },
      logger: new LogBook(),
    })
    const ledger = newLedger()
    const watched = new Watched(options, ledger, ({ key }) => {
      if (key?.toString() !== 'bad') return
      at.push(performance.now())
      if (at.length < 5) fail()
    })
    await until('the other key', () => ledger.processed === 2)
    await until('the key to be parked', () => watched.consumer.stats().poisonings === 1)
    assert.is(at.length, 3)
    const blockedBy = watched.consumer.health().partitions[0]?.blockedBy
    assert.is(blockedBy?.state, 'waiting')
    await until('all to be committed', async () => (await committedOffset(kafka, 'parked')) === 3)
    assert.is(watched.consumer.stats().poisonings, 2, 'the one attempt after the cool-down failed')
    assert.is(watched.consumer.stats().failingKeys, 0)
    await watched.close()
    assert.is(at.length, 5)
    const pauses = at.slice(1).map((time, i) => time - (at[i] ?? 0))
    assert.ok((pauses[2] ?? 0) >= 699 && (pauses[3] ?? 0) >= 699, `${pauses}`)
  },
)

brokerTest("poisonKeys 'giveUp': its messages are not run, and go to dead letters, with KEY_POISONED", async () => {
  const kafka = await topicOf('poisoned', [
    ...Array.from({ length: 5 }, (_, i) => ['bad', String(i)] as const),
    ['good', '5'],
  ])
  await kafka.createTopic('poisoned.dead')
  const ran: number[] = []
  const options = optionsOf(kafka, 'poisoned', {
    retry: { maxAttempts: 1 },
    poisonKeys: { after: 2, coolDown: 60_000, action: 'giveUp' },
    deadLetter: { topic: 'poisoned.dead' },
    logger: new LogBook(),
  })
  const watched = new Watched(options, newLedger(), ({ key, offset }) => {
    ran.push(offset)
    if (key?.toString() === 'bad') fail()
  })
  await until('all to be committed', async () => (await committedOffset(kafka, 'poisoned')) === 6)
  await watched.close()
  assert.equal(
    ran.sort((a, b) => a - b),
    [0, 1, 5],
  )
  const letters = await readTopic(kafka, 'poisoned.dead')
  assert.equal(
    letters.map(({ value }) => value?.toString()),
    ['0', '1', '2', '3', '4'],
  )
  const headers = new Map(letters[4]?.headers.map(([name, value]) => [name, value?.toString()]))
  assert.is(headers.get('laneway.reason'), 'its key is poison')
  assert.is(headers.get('laneway.error.class'), 'KEY_POISONED')
  assert.is(headers.get('laneway.attempts'), '0')
})

// --- Timeouts and health ---------------------------------------------------------------------------------------------

brokerTest('handlerTimeout: the signal fires with the reason, and the attempt counts as failed', async () => {
  const kafka = await topicOf('timeout', [
    ['slow', '0'],
    ['slow', '1'],
  ])
  const reasons: unknown[] = []
  const ledger = newLedger()
  const options = optionsOf(kafka, 'timeout', {
    handlerTimeout: 80,
    retry: { maxAttempts: 3, delay: 1 },
    logger: new LogBook(),
  })
  const watched = new Watched(options, ledger, ({ offset }, { signal, attempt }) => {
    if (offset !== 0 || attempt > 2) return
    return new Promise((resolve) => {
      // It ends as if nothing were: the attempt has failed all the same.
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as { code?: string }).code)
        resolve(undefined)
      })
    })
  })
  await until('all to be committed', async () => (await committedOffset(kafka, 'timeout')) === 2)
  assert.is(watched.consumer.stats().retried, 2)
  await watched.close()
  assert.equal(reasons, ['HANDLER_TIMEOUT', 'HANDLER_TIMEOUT'])
  assert.is(ledger.inversions, 0)
})

brokerTest('health() of a stuck handler names its key, offset, attempt and age', async () => {
  const kafka = await topicOf('stuck', [
    ['a', '0'],
    ['the stuck one', '1'],
    ['b', '2'],
  ])
  const gate = new Gate()
  const ledger = newLedger()
  const watched = new Watched(
    optionsOf(kafka, 'stuck', { retry: { delay: 1 }, logger: new LogBook() }),
    ledger,
    ({ offset }, { attempt }) => (offset !== 1 ? undefined : attempt === 1 ? fail() : gate.passed()),
  )
  await until('the others to be committed', async () => (await committedOffset(kafka, 'stuck')) === 1)
  await until('it to be old', () => (watched.consumer.health().longestRunning[0]?.ageMs ?? 0) >= 200)
  const { state, isReady, partitions, longestRunning, pollAgeMs } = watched.consumer.health()
  assert.equal({ state, isReady }, { state: 'running', isReady: true })
  assert.ok(pollAgeMs >= 0 && pollAgeMs < 5_000, `${pollAgeMs}`)
  assert.is(longestRunning.length, 1)
  const [partition] = partitions
  assert.is(partition?.committable, 1)
  assert.is(partition?.lag, 2)
  assert.is(partition?.inFlight, 1)
  assert.is(partition?.bufferedMessages, 1)
  assert.is(partition?.lastCommit.error, undefined)
  assert.ok((partition?.lastCommit.ageMs ?? -1) >= 0)
  for (const standing of [partition?.blockedBy, longestRunning[0], watched.consumer.stats().longestRunning[0]]) {
    assert.is(standing?.topic, 'stuck')
    assert.is(standing?.offset, 1)
    assert.is(standing?.key?.toString(), 'the stuck one')
    assert.is(standing?.attempt, 2)
    assert.is(standing?.state, 'executing')
    assert.ok((standing?.failingForMs ?? 0) >= 200)
  }
  gate.open()
  await until('all to be committed', async () => (await committedOffset(kafka, 'stuck')) === 3)
  assert.is(watched.consumer.health().partitions[0]?.blockedBy, undefined)
  await watched.close()
  assert.is(watched.consumer.health().state, 'closed')
  assert.not(watched.consumer.health().isReady)
})

// --- Decoders --------------------------------------------------------------------------------------------------------

const NOT_JSON = [
  ['a', '{"n":1}'],
  ['b', '{"n":'],
  ['c', '{"n":3}'],
] as const

brokerTest("deserialize.onError 'deadLetter' and 'drop': the loop goes on, and the bytes are kept", async () => {
  for (const onError of ['deadLetter', 'drop'] as const) {
    const topic = `decoded-${onError}`
    const kafka = await topicOf(topic, NOT_JSON)
    await kafka.createTopic(`${topic}.dead`)
    const seen: unknown[] = []
    const consumer = new ParallelConsumer({
      ...optionsOf(kafka, topic, { logger: new LogBook() }),
      deserialize: { key: 'text', value: 'json', onError },
      deadLetter: { topic: `${topic}.dead` },
    })
    const running = consumer.run(({ key, value }) => {
      seen.push([key, value])
    })
    await until('all to be committed', async () => (await committedOffset(kafka, topic)) === 3)
    assert.equal(consumer.stats().drops, onError === 'drop' ? { 'it cannot be decoded': 1 } : {})
    await consumer.close()
    await running
    assert.equal(seen, [
      ['a', { n: 1 }],
      ['c', { n: 3 }],
    ])
    const letters = await readTopic(kafka, `${topic}.dead`)
    assert.equal(
      letters.map(({ value }) => value?.toString()),
      onError === 'drop' ? [] : ['{"n":'],
    )
    const headers = new Map(letters[0]?.headers.map(([name, value]) => [name, value?.toString()]))
    assert.is(headers.get('laneway.error.class'), onError === 'drop' ? undefined : 'DESERIALIZATION_FAILED')
  }
})

brokerTest(
  "deserialize.onError 'stop': run() rejects with DESERIALIZATION_FAILED, and the message is not settled",
  async () => {
    const kafka = await topicOf('decoded-stop', NOT_JSON)
    const consumer = new ParallelConsumer({
      ...optionsOf(kafka, 'decoded-stop', { order: 'partition', logger: new LogBook() }),
      deserialize: { value: 'json' },
    })
    const error = await errorOf(consumer.run(() => undefined))
    assert.is(error.code, 'DESERIALIZATION_FAILED')
    assert.is(error.details['offset'], 1)
    assert.is(await committedOffset(kafka, 'decoded-stop'), 1)
  },
)

// --- The group -------------------------------------------------------------------------------------------------------

brokerTest(
  "onUnknownTopic 'wait': the consumer waits for its topic, says so, and starts once it is there",
  async () => {
    const kafka = await broker()
    const log = new LogBook()
    const ledger = newLedger()
    const options = optionsOf(kafka, 'awaited', {
      kafka: { 'topic.metadata.refresh.interval.ms': 200 },
      onUnknownTopic: 'wait',
      logger: log,
    })
    const watched = new Watched(options, ledger)
    await until('a warning', () => log.lines.some(({ fields }) => fields['code'] === 'TOPIC_UNKNOWN'))
    assert.is(watched.consumer.health().state, 'running')
    await topicOf('awaited', [['a', '0']])
    await until('the message', () => ledger.processed === 1)
    await watched.close()
    assert.is(await committedOffset(kafka, 'awaited'), 1)
  },
)

brokerTest('static membership: a restart within the session timeout moves no partition of the others', async () => {
  const kafka = await broker()
  await kafka.createTopic('static', { partitions: 4 })
  const of = (name: string, log: LogBook) =>
    optionsOf(kafka, 'static', {
      kafka: { 'group.instance.id': name, 'session.timeout.ms': 20_000, 'partition.assignment.strategy': 'range' },
      logger: log,
    })
  const revocations = (log: LogBook) => log.lines.filter(({ message }) => message === 'partitions revoked').length
  const partitionsOf = (watched: Watched) =>
    watched.consumer
      .stats()
      .partitions.map(({ partition }) => partition)
      .sort()
  const log = new LogBook()
  const stays = new Watched(of('stays', log), newLedger())
  await until('the first assignment', () => partitionsOf(stays).length === 4)
  const leaves = new Watched(of('leaves', new LogBook()), newLedger())
  await until('both assignments', () => partitionsOf(stays).length === 2 && partitionsOf(leaves).length === 2)
  const before = { stays: partitionsOf(stays), leaves: partitionsOf(leaves), revocations: revocations(log) }
  await leaves.close()
  const ledger = newLedger()
  const again = new Watched(of('leaves', new LogBook()), ledger)
  await until('its partitions', () => partitionsOf(again).length === 2)
  for (let partition = 0; partition < 4; partition += 1) await send(kafka, 'static', [{ partition, value: 'x' }])
  await until('its messages', () => ledger.processed === 2)
  assert.equal(
    { stays: partitionsOf(stays), leaves: partitionsOf(again), revocations: revocations(log) },
    before,
    'nobody was rebalanced',
  )
  await again.close()
  await stays.close()
})

brokerTest('a member whose group.instance.id another one takes rejects run() with FENCED', async () => {
  const kafka = await broker()
  await kafka.createTopic('fenced')
  const options = optionsOf(kafka, 'fenced', { kafka: { 'group.instance.id': 'only one' }, logger: new LogBook() })
  const first = new Watched(options, newLedger())
  await until('its assignment', () => first.consumer.stats().partitions.length === 1)
  const second = new Watched(options, newLedger())
  const error = await errorOf(first.running)
  assert.is(error.code, 'FENCED')
  assert.ok(error.fatal)
  assert.is(first.consumer.health().state, 'failed')
  await until('the assignment of the other', () => second.consumer.stats().partitions.length === 1)
  await second.close()
})

brokerTest(
  'close() drains up to its deadline, then aborts: what ended is committed, what did not comes again',
  async () => {
    const kafka = await topicOf('deadline', [
      ['a', '0'],
      ['b', '1'],
      ['c', '2'],
    ])
    const gate = new Gate()
    const signals: AbortSignal[] = []
    const ledger = newLedger()
    const watched = new Watched(
      optionsOf(kafka, 'deadline', { logger: new LogBook() }),
      ledger,
      ({ offset }, { signal }) => {
        signals[offset] = signal
        // The second one listens to nothing and never ends.
        return offset === 1 ? new Promise(() => undefined) : gate.passed()
      },
    )
    await until('all to run', () => signals.filter(Boolean).length === 3)
    const closed = watched.consumer.close({ deadline: 400 })
    gate.open()
    await closed
    await watched.running
    assert.equal(
      signals.map(({ aborted }) => aborted),
      [false, true, false],
    )
    assert.is(await committedOffset(kafka, 'deadline'), 1)
    const rest = newLedger()
    const next = new Watched(optionsOf(kafka, 'deadline'), rest)
    await until('the rest', async () => (await committedOffset(kafka, 'deadline')) === 3)
    await next.close()
    assert.is(rest.processed, 1)
  },
)

test.run()
