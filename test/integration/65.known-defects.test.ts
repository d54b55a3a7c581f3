/**
 * Defects that libraries of this kind have shipped, each as a test on a real broker. Where another file has the test:
 *
 * | defect | where |
 * |---|---|
 * | transaction markers at the tail hold the committed offset back | 40.faults: "transaction markers at the tail …" |
 * | recovered settled offsets are executed again | 20.restart: "after a restart only what was not settled runs again" |
 * | a commit fails for the size of its metadata | 20.restart: "a broker with a lower limit gets the offset at once …" |
 * | null keys, tombstones, empty values, repeated binary headers | 10.order: "null keys, tombstones, empty values …" |
 * | the same in a dead letter | 70.dead-letters: "a dead letter has the key, value, headers and timestamp …" |
 * | a failed dead letter counts as success | 70.dead-letters: "a failed dead letter is no success …" |
 * | holes, zombies and limits at any step | native/test/simulation |
 *
 * Defects of the log itself (where it starts, what it lacks, how large its offsets are): 66.known-defects-of-logs.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer } from '../../ts/consumer.js'
import { addon } from '../../ts/native.js'
import type { Message } from '../../ts/ports/engine.js'
import type { Broker } from '../broker/broker.js'
import {
  brokerTest,
  committedOffset,
  errorOf,
  fill,
  Gate,
  group,
  LogBook,
  newLedger,
  optionsOf,
  send,
  sharedBroker,
  until,
  Watched,
} from './support.js'

const broker = sharedBroker()

function fail(message = 'no'): never {
  throw new Error(message)
}

// --- Zombies, deaths and rebalances ----------------------------------------------------------------------------------

const PROTOCOLS = {
  eager: { 'partition.assignment.strategy': 'range' },
  cooperative: { 'partition.assignment.strategy': 'cooperative-sticky' },
  'KIP-848': { 'group.protocol': 'consumer', 'heartbeat.interval.ms': '' },
} as const

/** Of these properties, with those that are '' left out. */
function protocolOf(name: keyof typeof PROTOCOLS): Record<string, string | number> {
  const properties = { 'heartbeat.interval.ms': 300, ...PROTOCOLS[name] }
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== ''))
}

const partitionsOf = (watched: Watched): number[] =>
  watched.consumer
    .stats()
    .partitions.map(({ partition }) => partition)
    .sort()

for (const name of Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]) {
  brokerTest(`a zombie's settlement after its partition was reassigned changes nothing (${name})`, async () => {
    const kafka = await broker()
    const topic = `zombie-${name}`
    await kafka.createTopic(topic, { partitions: 2 })
    for (const partition of [0, 1]) await send(kafka, topic, [{ partition, key: 'k', value: 'x' }])
    const options = {
      ...optionsOf(kafka, topic, { rebalanceTimeout: 100, logger: new LogBook() }),
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic, ...protocolOf(name) },
    }
    const zombies = new Gate()
    const own = new Gate()
    let started = 0
    const one = new Watched(options, newLedger('none'), () => {
      started += 1
      return zombies.passed()
    })
    await until('both handlers of the first member', () => started === 2)
    const ledger = newLedger('none')
    let startedByTwo = 0
    const two = new Watched(options, ledger, () => {
      startedByTwo += 1
      return own.passed()
    })
    await until('one partition each', () => partitionsOf(one).length === 1 && partitionsOf(two).length === 1)
    await until('the message to run at its new owner', () => startedByTwo === 1)
    const [moved = -1] = partitionsOf(two)

    zombies.open()
    await until('the zombie to be told apart', () => one.consumer.stats().staleSettlements >= 1)
    await until('a commit of the first member', async () => (await committedOffset(kafka, topic, 1 - moved)) === 1)
    assert.ok((await committedOffset(kafka, topic, moved)) <= 0, 'the new owner has not settled it')
    assert.is(ledger.processed, 0)
    own.open()
    await until('the commit of its owner', async () => (await committedOffset(kafka, topic, moved)) === 1)
    await two.close()
    await one.close()
    assert.is(two.consumer.stats().settled, 1)
  })

  brokerTest(`a rebalance while a member closes loses nothing and hangs nobody (${name})`, async () => {
    const kafka = await broker()
    const topic = `closing-${name}`
    const filling = { topic, messages: 3_000, keys: 60, partitions: 4 }
    await kafka.createTopic(topic, { partitions: 4 })
    await fill(kafka, filling)
    const options = {
      ...optionsOf(kafka, topic, { concurrency: 8, logger: new LogBook() }),
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic, ...protocolOf(name) },
    }
    const ledger = newLedger()
    const work = () => new Promise<void>((resolve) => setTimeout(resolve, 3))
    const one = new Watched(options, ledger, work)
    const two = new Watched(options, ledger, work)
    await until('both to work', () => one.consumer.stats().settled > 100 && two.consumer.stats().settled > 100)
    // Two members close into each other's rebalances while a third one joins.
    const closing = one.close()
    const three = new Watched(options, ledger, work)
    const alsoClosing = two.close()
    await Promise.all([closing, alsoClosing])
    await until('all messages', () => ledger.distinct >= filling.messages)
    await until('all to be committed', async () => {
      return (await group(kafka, topic)).every(({ offset, logEnd }) => offset === logEnd)
    })
    await three.close()
    assert.is(ledger.distinct, filling.messages)
    assert.is(ledger.inversions, 0)
    assert.is(ledger.duplicates, 0, 'handlers could end before their partitions moved')
  })
}

for (const kind of ['message', 'batch'] as const) {
  brokerTest(
    `a worker that dies mid-batch (kill -9) loses nothing and repeats only what was not committed (${kind})`,
    async () => {
      const kafka = await broker()
      const topic = `dying-${kind}`
      await kafka.createTopic(topic)
      const records = Array.from({ length: 400 }, (_, i) => ({
        key: i % 20 === 7 ? 'held' : `key-${i % 20}`,
        value: 'x',
      }))
      await send(kafka, topic, records)
      const worker = fileURLToPath(new URL('dying-worker.js', import.meta.url))
      const child = spawn(process.execPath, [worker, kafka.bootstrapServers, topic, kind], {
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 120_000,
      })
      const started = new Set<number>()
      const ended = new Set<number>()
      let isHolding = false
      createInterface(child.stdout).on('line', (line) => {
        const [what, offset] = line.split(' ')
        if (what === 'held') isHolding = true
        else (what === 'start' ? started : ended).add(Number(offset))
      })
      await until('it to hold a message and to have done the rest', () => isHolding && ended.size === 380)
      const isSettled = async () => {
        const [partition] = await group(kafka, topic)
        return (
          partition !== undefined &&
          addon.decodeMetadata(partition.offset, partition.metadata, 'auto').gaps.length === 20
        )
      }
      await until('the rest to be committed', isSettled)
      child.kill('SIGKILL')
      await once(child, 'close')
      const heldBefore = [...started].filter((offset) => !ended.has(offset))
      assert.ok(heldBefore.length > 0, 'it died with leased messages')

      const again: number[] = []
      const ledger = newLedger()
      const next = new Watched(optionsOf(kafka, topic), ledger, ({ offset }) => {
        again.push(offset)
      })
      await until('all to be committed', async () => (await committedOffset(kafka, topic)) === 400)
      await next.close()
      assert.equal(
        again,
        Array.from({ length: 20 }, (_, i) => 20 * i + 7),
      )
      assert.is(new Set([...ended, ...again]).size, 400, 'nothing is lost')
      assert.is(ledger.inversions, 0)
    },
  )
}

// --- Attempts --------------------------------------------------------------------------------------------------------

brokerTest(
  'a timeout does not run a message twice at once: its lane waits until the handler has really ended',
  async () => {
    const kafka = await broker()
    await kafka.createTopic('deaf')
    await send(kafka, 'deaf', [
      { key: 'k', value: '0' },
      { key: 'k', value: '1' },
    ])
    const gate = new Gate()
    const ledger = newLedger()
    const seen: string[] = []
    const options = optionsOf(kafka, 'deaf', { handlerTimeout: 50, retry: { delay: 1 }, logger: new LogBook() })
    const watched = new Watched(options, ledger, async ({ offset }, { attempt, signal }) => {
      seen.push(`${offset}/${attempt}`)
      if (offset > 0 || attempt > 1) return
      await until('the timeout', () => signal.aborted)
      // It does not listen, and goes on for as long as it likes.
      await gate.passed()
    })
    await until('it to be overdue', () => (watched.consumer.health().longestRunning[0]?.ageMs ?? 0) > 500)
    assert.equal(seen, ['0/1'])
    assert.is(watched.consumer.stats().retried, 0)
    gate.open()
    await until('all to be committed', async () => (await committedOffset(kafka, 'deaf')) === 2)
    await watched.close()
    assert.equal(seen, ['0/1', '0/2', '1/1'], 'it counted as a failed attempt, and ran again alone')
    assert.is(ledger.inversions, 0)
  },
)

brokerTest('retries set to 0: maxAttempts 1 runs a message once, and 0 is refused by its name', async () => {
  const kafka = await broker()
  await kafka.createTopic('once')
  await send(kafka, 'once', [{ key: 'k', value: '0' }])
  const options = optionsOf(kafka, 'once', { retry: { maxAttempts: 1 }, logger: new LogBook() })
  let runs = 0
  const watched = new Watched(options, newLedger(), () => {
    runs += 1
    fail()
  })
  const error = await errorOf(watched.running)
  assert.is(error.code, 'RETRIES_EXHAUSTED')
  assert.is(runs, 1)
  assert.ok((await committedOffset(kafka, 'once')) <= 0, 'it is not settled')
  const refused = await errorOf(
    nextTurn().then(() => new ParallelConsumer({ ...options, retry: { maxAttempts: 0 } }).close()),
  )
  assert.is(refused.code, 'CONFIG_INVALID')
  assert.is(refused.issues[0]?.field, 'retry.maxAttempts')
})

// --- Sizes -----------------------------------------------------------------------------------------------------------

brokerTest('a message larger than every buffer limit goes through, alone, and so do those around it', async () => {
  const kafka = await broker()
  await kafka.createTopic('huge', { config: { 'max.message.bytes': 9_000_000 } })
  const sizes = [10, 8_000_000, 10, 2_000_000, 0, 10]
  await send(
    kafka,
    'huge',
    sizes.map((size, i) => ({ key: `key-${i}`, value: Buffer.alloc(size, i) })),
  )
  const seen = new Map<number, number>()
  let mostBuffered = 0
  const ledger = newLedger()
  const options = optionsOf(kafka, 'huge', {
    // librdkafka's own limits are below the message, too.
    kafka: { 'fetch.message.max.bytes': 100_000, 'queued.max.messages.kbytes': 100 },
    maxBufferedBytes: 1_000,
    maxBufferedMessages: 2,
    logger: new LogBook(),
  })
  const watched = new Watched(options, ledger, ({ offset, value }) => {
    assert.ok(value?.every((byte) => byte === offset))
    seen.set(offset, value?.length ?? -1)
    mostBuffered = Math.max(mostBuffered, watched.consumer.stats().bufferedMessages)
  })
  await until('all to be committed', async () => (await committedOffset(kafka, 'huge')) === sizes.length)
  await watched.close()
  assert.equal(
    [...seen.entries()].sort(([a], [b]) => a - b),
    [...sizes.entries()],
  )
  assert.is(ledger.duplicates, 0)
  assert.ok(mostBuffered <= 2)
})

// --- What others have committed --------------------------------------------------------------------------------------

async function commit(kafka: Broker, topic: string, offset: number, metadata: string): Promise<void> {
  const commits = [{ topic, partition: 0, offset, leaderEpoch: -1, metadata }]
  const answers = await addon.commitGroup({ 'bootstrap.servers': kafka.bootstrapServers }, topic, commits, 10_000)
  assert.equal(
    answers.map(({ error }) => error),
    [undefined],
  )
}

brokerTest(
  'foreign metadata in the group: the offset alone counts, a warning says so, and the next commit is ours',
  async () => {
    const kafka = await broker()
    const own = addon.encodeMetadata(3, 9, Float64Array.of(3, 5), 'laneway', 'base32768', 4_096).metadata
    const texts = {
      'free text': 'committed by nightly-job at 03:00 🙂',
      'one NUL': '\u0000',
      'cut off': own.slice(0, -1),
      'of another offset': addon.encodeMetadata(4, 9, Float64Array.of(4), 'laneway', 'base32768', 4_096).metadata,
      'hostile base64': `${'A'.repeat(4_000)}=`,
    }
    for (const [index, [what, metadata]] of Object.entries(texts).entries()) {
      const topic = `foreign-${index}`
      await kafka.createTopic(topic)
      await fill(kafka, { topic, messages: 10, keys: 10, partitions: 1 })
      await commit(kafka, topic, 3, metadata)
      const log = new LogBook()
      const offsets: number[] = []
      const watched = new Watched(optionsOf(kafka, topic, { logger: log }), newLedger(), ({ offset }: Message) => {
        offsets.push(offset)
      })
      await until(`all to be committed over ${what}`, async () => (await committedOffset(kafka, topic)) === 10)
      await watched.close()
      assert.equal(
        offsets.sort((a, b) => a - b),
        [3, 4, 5, 6, 7, 8, 9],
        what,
      )
      assert.is((await group(kafka, topic))[0]?.metadata, '')
      const codes = log.lines.map(({ fields }) => fields['code'])
      assert.ok(codes.includes('METADATA_FOREIGN') || codes.includes('METADATA_CORRUPT'), what)
    }
  },
)

test.run()
