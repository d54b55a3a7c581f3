/**
 * A gap map at its limit, on a real broker: only its partition stops, what is committed stays true, and it goes on by
 * itself. The limit is small (32 units carry 480 bits), and what is settled is picked by chance, which no code shortens.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ParallelConsumerOptions } from '../../ts/index.js'
import { ParallelConsumer } from '../../ts/index.js'
import { addon, type RawGroupPartition, type RawPartitionStats } from '../../ts/native.js'
import { TestProducer } from '../../ts/testing/index.js'
import type { Broker } from '../broker/broker.js'
import { brokerTest, group, sharedBroker, until } from '../integration/support.js'

const broker = sharedBroker()

const MAX_UNITS = 32
/** In partition 0, of which about half are kept from ending: about 1,000 bits. */
const FIRST = 1_000
/** In each partition, after partition 0 has stopped. */
const MORE = 5_000

/** The head, and every other one about half of the time. */
const isKept = (offset: number): boolean => offset === 0 || (Math.imul(offset, 0x9e37_79b1) & 0x8000) !== 0

async function send(kafka: Broker, topic: string, partition: number, messages: number): Promise<void> {
  await using producer = new TestProducer({ 'bootstrap.servers': kafka.bootstrapServers, 'enable.idempotence': 'true' })
  for (let i = 0; i < messages; i += 1) await producer.send({ topic, partition, value: `${i}` })
  await producer.flush()
}

function optionsFor(kafka: Broker, topic: string): ParallelConsumerOptions {
  return {
    kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic },
    topics: [topic],
    order: 'none',
    // Neither of these stops anything here.
    concurrency: 20_000,
    maxBufferedMessages: 40_000,
    commitInterval: 20,
    closeTimeout: 1_000,
    metadata: { maxUnits: MAX_UNITS },
  }
}

/** Keeps the handlers of some messages of partition 0 from ending, until they are let go. */
class Keeper implements AsyncDisposable {
  readonly consumer: ParallelConsumer
  readonly running: Promise<void>
  readonly started: readonly [Set<number>, Set<number>] = [new Set(), new Set()]
  readonly settled = new Set<number>()
  repeated = 0
  readonly #kept = new Map<number, () => void>()

  constructor(options: ParallelConsumerOptions, keeps: (offset: number) => boolean) {
    this.consumer = new ParallelConsumer(options)
    this.running = this.consumer.run(async ({ partition, offset }, { signal }) => {
      const started = this.started[partition === 0 ? 0 : 1]
      if (started.has(offset)) this.repeated += 1
      started.add(offset)
      if (partition === 0 && keeps(offset)) await this.#keep(offset, signal)
      if (partition === 0) this.settled.add(offset)
    })
    this.running.catch(() => undefined)
  }

  #keep(offset: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#kept.set(offset, resolve)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  }

  letGo(below: number): void {
    for (const [offset, resolve] of this.#kept) {
      if (offset >= below) continue
      this.#kept.delete(offset)
      resolve()
    }
  }

  of(partition: number): RawPartitionStats | undefined {
    return this.consumer.stats().partitions.find((each) => each.partition === partition)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.consumer.close({ mode: 'abort' })
  }
}

/** Until partition 0 has stopped with all of its first messages started, and the map of them is committed. */
async function untilFull(keeper: Keeper, topic: string, kafka: Broker): Promise<void> {
  await until('all first messages to start', () => keeper.started[0].size === FIRST)
  await until('the gap map to be full', () => keeper.of(0)?.metadataFull === true)
  await until('a commit', async () => (await committedOf(kafka, topic, 0)) !== undefined)
}

async function committedOf(kafka: Broker, topic: string, number: number): Promise<RawGroupPartition | undefined> {
  return (await group(kafka, topic)).find(({ partition }) => partition === number)
}

/** How far a committed map goes; fails where it says of any offset what is not so. */
function checkedHighest(committed: RawGroupPartition | undefined): number {
  assert.is(committed?.offset, 0, 'the head is not settled')
  const metadata = committed?.metadata ?? ''
  assert.ok(metadata.length > 0 && metadata.length <= MAX_UNITS, `${metadata.length} units`)
  const { highest, gaps } = addon.decodeMetadata(0, metadata, 'laneway')
  const kept = Array.from({ length: highest + 1 }, (_, offset) => offset).filter(isKept)
  assert.equal([...gaps], kept, `the gaps up to ${highest}`)
  return highest
}

brokerTest(
  'with a full gap map only that partition stops, what is committed is true, and it goes on by itself',
  async () => {
    const kafka = await broker()
    const topic = 'full'
    await kafka.createTopic(topic, { partitions: 2 })
    await send(kafka, topic, 0, FIRST)
    await using keeper = new Keeper(optionsFor(kafka, topic), (offset) => offset < FIRST && isKept(offset))
    await untilFull(keeper, topic, kafka)
    const highest = checkedHighest(await committedOf(kafka, topic, 0))
    assert.ok(highest > 300 && highest < FIRST - 1, `cut from the top: it covers up to ${highest}`)

    await send(kafka, topic, 0, MORE)
    await send(kafka, topic, 1, MORE)
    await until('all of the other partition', () => keeper.of(1)?.committed === MORE)
    const kept = FIRST - keeper.settled.size
    await until('the new messages to arrive', () => keeper.of(0)?.bufferedMessages === kept + MORE)
    const { metadataFullMs = 0 } = keeper.of(0) ?? {}
    await until('more time with a full gap map', () => (keeper.of(0)?.metadataFullMs ?? 0) > metadataFullMs)
    assert.is(keeper.started[0].size, FIRST, 'nothing above the highest settled offset is started')
    const { isReady, problems, partitions } = keeper.consumer.health()
    assert.equal(problems, ['full [0]: the gap map is full; only gaps are filled'])
    assert.is(isReady, true)
    assert.equal(
      partitions.toSorted((a, b) => a.partition - b.partition).map(({ isMetadataFull }) => isMetadataFull),
      [true, false],
    )

    // The rest of the gaps fits well: about 100 bits.
    keeper.letGo(FIRST - 100)
    await until('the new messages', () => keeper.started[0].size === FIRST + MORE)
    keeper.letGo(FIRST)
    await until('the commit', () => keeper.of(0)?.committed === FIRST + MORE)
    const after = keeper.of(0)
    assert.is(after?.metadataFull, false)
    assert.ok((after?.metadataFullMs ?? 0) > metadataFullMs, 'the time is counted, and kept')
    assert.equal(keeper.consumer.health().problems, [])
    assert.is(keeper.repeated, 0)
    assert.is((await committedOf(kafka, topic, 0))?.metadata, '')
  },
)

brokerTest('after a restart with a full gap map only what it could not say runs again', async () => {
  const kafka = await broker()
  const topic = 'full-restart'
  await kafka.createTopic(topic, { partitions: 2 })
  await send(kafka, topic, 0, FIRST)
  const first = new Keeper(optionsFor(kafka, topic), isKept)
  await untilFull(first, topic, kafka)
  await first.consumer.close({ mode: 'abort' })
  await first.running
  const highest = checkedHighest(await committedOf(kafka, topic, 0))

  await using second = new Keeper(optionsFor(kafka, topic), () => false)
  await until('the rest', () => second.of(0)?.committed === FIRST)
  const expected = Array.from({ length: FIRST }, (_, offset) => offset).filter(
    (offset) => offset > highest || isKept(offset),
  )
  assert.equal(
    [...second.started[0]].toSorted((a, b) => a - b),
    expected,
  )
  assert.is(second.repeated, 0)
})

test.run()
