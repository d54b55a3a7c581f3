/**
 * `laneway group skip|seek|reset` on a real broker: what a consumer runs afterwards is what was shown before, and nothing
 * is changed while somebody consumes.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ParallelConsumerOptions } from '../../ts/config.js'
import { addon } from '../../ts/native.js'
import type { Message } from '../../ts/ports/engine.js'
import { TestProducer } from '../../ts/testing/index.js'
import type { Broker } from '../broker/broker.js'
import { type Ended, laneway, onlyDocument } from '../cli/laneway.js'
import { openTransaction } from './open-transaction.js'
import { brokerTest, fill, group, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()
const tightBroker = sharedBroker({ properties: { 'offset.metadata.max.bytes': 64 } })

const PROTOCOLS = {
  classic: { 'partition.assignment.strategy': 'range', 'heartbeat.interval.ms': 300 },
  'KIP-848': { 'group.protocol': 'consumer' },
} as const

type Protocol = keyof typeof PROTOCOLS

/** The group is named after the topic. */
function optionsOf(kafka: Broker, topic: string, protocol: Protocol = 'classic'): ParallelConsumerOptions {
  return {
    kafka: { ...PROTOCOLS[protocol], 'bootstrap.servers': kafka.bootstrapServers, 'group.id': topic },
    topics: [topic],
    commitInterval: 100,
  }
}

async function filled(kafka: Broker, topic: string, { messages = 100, keys = 10, partitions = 1 } = {}): Promise<void> {
  await kafka.createTopic(topic, { partitions })
  await fill(kafka, { topic, messages, keys, partitions })
}

function change(kafka: Broker, name: string, action: string, ...args: readonly string[]): Promise<Ended> {
  return laneway(['group', action, '--brokers', kafka.bootstrapServers, '--group', name, ...args])
}

function partitionArgs(topic: string, ...offsets: readonly (number | string)[]): string[] {
  return ['--topic', topic, '--partition', '0', ...offsets.flatMap((offset) => ['--offset', String(offset)])]
}

/** The one partition of a plan in JSON. */
function onlyPartition(ended: Ended): Record<string, unknown> {
  assert.is(ended.status, 0, ended.stderr)
  const { partitions } = onlyDocument(ended)
  assert.ok(Array.isArray(partitions) && partitions.length === 1)
  return Object(partitions[0])
}

function errorOf(ended: Ended): { readonly code: string; readonly message: string } {
  assert.is(ended.status, 1, ended.stdout)
  const { code, message } = Object(onlyDocument(ended)['error'])
  return { code: String(code), message: String(message) }
}

/** Runs what is left until all is committed; gives the offsets that ran, ascending by partition and offset. */
async function runRest(kafka: Broker, options: ParallelConsumerOptions, topic: string): Promise<string[]> {
  const ran: string[] = []
  const ledger = newLedger()
  const watched = new Watched(options, ledger, ({ partition, offset }) => {
    ran.push(`${partition}/${String(offset).padStart(6, '0')}`)
  })
  await until('all to be committed', async () => {
    const partitions = await group(kafka, topic)
    return partitions.length > 0 && partitions.every(({ offset, logEnd }) => offset === logEnd)
  })
  await watched.close()
  assert.is(ledger.inversions, 0)
  return ran.sort()
}

function names(partition: number, offsets: readonly number[]): string[] {
  return offsets.map((offset) => `${partition}/${String(offset).padStart(6, '0')}`)
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

/** Settles all but the messages of key-0, of which the first stalls: every tenth message stays, from offset 0 on. */
async function stallOneKey(options: ParallelConsumerOptions): Promise<void> {
  const ledger = newLedger()
  const isStalled = ({ key }: Message) => key?.toString() === 'key-0'
  const watched = new Watched(options, ledger, (message) =>
    isStalled(message) ? new Promise(() => undefined) : undefined,
  )
  await until('the other keys', () => ledger.processed === 90)
  await watched.close('abort')
}

for (const [format, protocol] of [
  ['laneway', 'classic'],
  ['confluent', 'classic'],
  ['laneway', 'KIP-848'],
] as const) {
  brokerTest(
    `known defect: a skipped head message never runs, and only the gaps do (${format}, ${protocol})`,
    async () => {
      const kafka = await broker()
      const topic = `skipped-${format}-${protocol}`
      const options = { ...optionsOf(kafka, topic, protocol), metadata: { format } }
      await filled(kafka, topic)
      await stallOneKey(options)
      const before = await group(kafka, topic)

      const args = partitionArgs(topic, 0, 40)
      const shown = await change(kafka, topic, 'skip', ...args, '--json')
      assert.match(shown.stderr, /nothing was changed yet: --yes/)
      assert.is(onlyDocument(shown)['applied'], false)
      const expected = {
        topic,
        partition: 0,
        before: { offset: 0, highestSettled: 99, gaps: 10, format },
        after: { offset: 10, highestSettled: 99, gaps: 8, format },
        skipped: 2,
        runAgain: 0,
        changes: true,
        notes: [],
      }
      assert.equal(onlyPartition(shown), expected)
      assert.equal(await group(kafka, topic), before, 'without --yes nothing changes')

      const done = await change(kafka, topic, 'skip', ...args, '--yes', '--json')
      assert.equal(onlyPartition(done), expected)
      assert.is(onlyDocument(done)['applied'], true)
      assert.equal(await runRest(kafka, options, topic), names(0, [10, 20, 30, 50, 60, 70, 80, 90]))
    },
  )
}

brokerTest('a person sees the change, with the gaps as a picture before and after', async () => {
  const kafka = await broker()
  const topic = 'pictured'
  await filled(kafka, topic)
  await stallOneKey(optionsOf(kafka, topic))
  const args = partitionArgs(topic, 0)
  const { status, stdout, stderr } = await change(kafka, topic, 'skip', ...args)
  assert.is(status, 0, stderr)
  assert.match(stdout, /pictured\s+0\s+0 -> 10\s+99\s+10 -> 9\s+laneway\s+1\s+0/)
  assert.match(stdout, /before 0 [█▓▒░·]+ 99\n {2}after {2}10 [█▓▒░·]+ 99/u)
  const done = await change(kafka, topic, 'skip', ...args, '--yes')
  assert.match(done.stderr, '1 partition was changed')
})

brokerTest(
  'known defect: a seek back runs everything again from there, and with --keep-gaps what was settled not',
  async () => {
    const kafka = await broker()
    const topic = 'sought'
    const options = optionsOf(kafka, topic)
    await filled(kafka, topic)
    await stallOneKey(options)
    const skipped = await change(kafka, topic, 'skip', ...partitionArgs(topic, 0, 10, 20), '--yes')
    assert.is(skipped.status, 0, skipped.stderr)

    const kept = await change(kafka, topic, 'seek', ...partitionArgs(topic, 25), '--keep-gaps', '--yes', '--json')
    const { after, runAgain } = onlyPartition(kept)
    assert.equal(after, { offset: 25, highestSettled: 99, gaps: 12, format: 'laneway' })
    assert.is(runAgain, 5)
    assert.equal(await runRest(kafka, options, topic), names(0, [...range(25, 31), 40, 50, 60, 70, 80, 90]))

    const back = await change(kafka, topic, 'seek', ...partitionArgs(topic, 42), '--yes', '--json')
    assert.is(onlyPartition(back)['runAgain'], 58)
    assert.equal(await runRest(kafka, options, topic), names(0, range(42, 100)))

    const early = await change(kafka, topic, 'seek', ...partitionArgs(topic, 'earliest'), '--yes', '--json')
    assert.is(Object(onlyPartition(early)['after']).offset, 0)
    const late = await change(kafka, topic, 'seek', ...partitionArgs(topic, 'latest'), '--yes', '--json')
    assert.is(onlyPartition(late)['skipped'], 100)
    const again = await change(kafka, topic, 'seek', ...partitionArgs(topic, 100), '--yes', '--json')
    assert.is(onlyPartition(again)['changes'], false)
  },
)

const OLD = Date.parse('2026-01-01T00:00:00Z')
const NEW = Date.parse('2026-01-02T00:00:00Z')

brokerTest('a reset by time runs again what is not older, in every partition of the topic', async () => {
  const kafka = await broker()
  const topic = 'reset'
  const options = optionsOf(kafka, topic)
  await kafka.createTopic(topic, { partitions: 3 })
  await using producer = new TestProducer({ 'bootstrap.servers': kafka.bootstrapServers })
  // Partition 1 has nothing new, and partition 2 nothing at all.
  for (const [partition, timestamp] of [...Array(20).keys()].map((i) => [i % 2, i < 12 ? OLD : NEW] as const)) {
    if (partition === 0 || timestamp === OLD) await producer.send({ topic, partition, timestamp, value: 'x' })
  }
  await producer.flush()
  assert.is((await runRest(kafka, options, topic)).length, 16)

  const ended = await change(kafka, topic, 'reset', '--to', '2026-01-01T18:00:00+01:00', '--yes', '--json')
  assert.is(ended.status, 0, ended.stderr)
  const { partitions } = onlyDocument(ended)
  assert.ok(Array.isArray(partitions))
  assert.equal(
    partitions.map(({ before, after, runAgain }) => [before.offset, after.offset, runAgain]),
    [
      [10, 6, 4],
      [6, 6, 0],
      [0, 0, 0],
    ],
  )
  assert.equal(await runRest(kafka, options, topic), names(0, [6, 7, 8, 9]))

  const early = await change(kafka, topic, 'reset', '--to', 'earliest', '--topic', topic, '--yes')
  assert.is(early.status, 0, early.stderr)
  assert.is((await runRest(kafka, options, topic)).length, 16)
})

for (const protocol of ['classic', 'KIP-848'] as const) {
  brokerTest(
    `known defect: nothing is changed while the group has a member, which is named (${protocol})`,
    async () => {
      const kafka = await broker()
      const topic = `active-${protocol}`
      await filled(kafka, topic)
      const options = optionsOf(kafka, topic, protocol)
      const ledger = newLedger()
      await using watched = new Watched({ ...options, kafka: { ...options.kafka, 'client.id': 'the-one' } }, ledger)
      await until('the commit', async () => (await group(kafka, topic)).some(({ offset }) => offset === 100))
      const before = await group(kafka, topic)
      for (const args of [
        ['skip', ...partitionArgs(topic, 100)],
        ['seek', ...partitionArgs(topic, 5)],
        ['reset', '--to', 'earliest'],
      ]) {
        const [action = '', ...rest] = args
        const { code, message } = errorOf(await change(kafka, topic, action, ...rest, '--yes', '--json'))
        assert.is(code, 'GROUP_ACTIVE')
        assert.match(message, /the-one at 127\.0\.0\.1/)
        assert.match(message, /state \w+ with members/)
      }
      // Who joins after the last look is the broker's to see.
      const commit = { topic, partition: 0, offset: 5, leaderEpoch: -1, metadata: '' }
      const properties = { 'bootstrap.servers': kafka.bootstrapServers }
      const [answer] = await addon.commitGroup(properties, topic, [commit], 10_000)
      assert.is(answer?.error?.kafkaError, 'UNKNOWN_MEMBER_ID')
      assert.equal(await group(kafka, topic), before)
      await watched.close()
      const done = await change(kafka, topic, 'seek', ...partitionArgs(topic, 5), '--yes')
      assert.is(done.status, 0, done.stderr)
      assert.is((await runRest(kafka, options, topic)).length, 95)
    },
  )
}

brokerTest(
  'what is committed for a group comes back as it was, in a map of 4,096 units with a leader epoch',
  async () => {
    const kafka = await broker()
    const topic = 'committed-for'
    await kafka.createTopic(topic, { partitions: 3 })
    const properties = { 'bootstrap.servers': kafka.bootstrapServers }
    const commits = [
      { topic, partition: 0, offset: 0, leaderEpoch: 0, metadata: '\u4e00'.repeat(4_096) },
      { topic, partition: 2, offset: 2 ** 40 + 1, leaderEpoch: -1, metadata: '' },
    ]
    assert.equal(
      await addon.commitGroup(properties, topic, commits, 10_000),
      commits.map(({ partition }) => ({ topic, partition })),
    )
    const seen = await group(kafka, topic)
    assert.equal(
      seen.map(({ partition, offset, leaderEpoch, metadata }) => ({ topic, partition, offset, leaderEpoch, metadata })),
      commits,
    )
  },
)

brokerTest('an offset that cannot be skipped or gone to is refused, and says why', async () => {
  const kafka = await broker()
  const topic = 'refused'
  await filled(kafka, topic)
  await stallOneKey(optionsOf(kafka, topic))
  const skipped = await change(kafka, topic, 'skip', ...partitionArgs(topic, 0), '--yes')
  assert.is(skipped.status, 0, skipped.stderr)
  const before = await group(kafka, topic)
  const refused: readonly (readonly [args: readonly string[], code: string, says: RegExp])[] = [
    [['skip', ...partitionArgs(topic, 0)], 'OFFSET_INVALID', /offset 0 of refused\/0.*below the committed offset 10/],
    [['skip', ...partitionArgs(topic, 11)], 'OFFSET_INVALID', /offset 11 .*settled already/],
    [['skip', ...partitionArgs(topic, 20, 100)], 'OFFSET_INVALID', /offset 100 .*the log ends before 100/],
    [['seek', ...partitionArgs(topic, 101)], 'OFFSET_INVALID', /from 0 to 100/],
    [['skip', '--topic', topic, '--partition', '1', '--offset', '0'], 'TOPIC_UNKNOWN', /no partition 1/],
    [['seek', ...partitionArgs('nowhere', 1)], 'TOPIC_UNKNOWN', /topic nowhere/],
    [['reset', '--topic', 'nowhere', '--to', 'latest'], 'TOPIC_UNKNOWN', /topic nowhere/],
  ]
  for (const [[action = '', ...args], code, says] of refused) {
    const error = errorOf(await change(kafka, topic, action, ...args, '--yes', '--json'))
    assert.is(error.code, code, error.message)
    assert.match(error.message, says)
  }
  assert.equal(await group(kafka, topic), before)
})

brokerTest(
  'a group that has committed nothing can be set to a position, and nothing of it can be skipped',
  async () => {
    const kafka = await broker()
    const topic = 'unknown-group'
    await filled(kafka, topic)
    for (const [action = '', ...args] of [
      ['skip', ...partitionArgs(topic, 0)],
      ['reset', '--to', 'latest'],
    ]) {
      const { code } = errorOf(await change(kafka, topic, action, ...args, '--yes', '--json'))
      assert.is(code, 'NOTHING_COMMITTED')
    }
    const done = await change(kafka, topic, 'seek', ...partitionArgs(topic, 90), '--yes', '--json')
    const { before, after, skipped } = onlyPartition(done)
    assert.equal(
      { before, after, skipped },
      { before: null, after: { offset: 90, highestSettled: 89, gaps: 0, format: 'none' }, skipped: null },
    )
    assert.equal(await runRest(kafka, optionsOf(kafka, topic), topic), names(0, range(90, 100)))
  },
)

brokerTest(
  'known defect: a broker that takes shorter metadata gets a shorter map, and what it lacks runs again',
  async () => {
    const kafka = await tightBroker()
    const topic = 'tight'
    const options = optionsOf(kafka, topic)
    await filled(kafka, topic, { messages: 4_000, keys: 4_000 })
    const started = await change(kafka, topic, 'seek', ...partitionArgs(topic, 'earliest'), '--yes')
    assert.is(started.status, 0, started.stderr)
    // Half of them without a pattern, but the first: more than a map of 64 units says.
    const skipped = range(1, 4_000).filter((i) => ((i * 2_654_435_761) >>> 7) % 2 === 0)
    const ended = await change(kafka, topic, 'skip', ...partitionArgs(topic, ...skipped), '--yes', '--json')
    assert.match(ended.stderr, /tight\/0: the broker takes at most a shorter gap map/)
    const { after, notes } = onlyPartition(ended)
    const { highestSettled, offset } = Object(after)
    assert.is(offset, 0)
    assert.ok(highestSettled > 200 && highestSettled < 3_900, `covers ${highestSettled} offsets`)
    assert.match(String(notes), `above ${highestSettled} runs again`)
    const isSkipped = new Set(skipped.filter((each) => each <= highestSettled))
    assert.equal(
      await runRest(kafka, options, topic),
      names(
        0,
        range(0, 4_000).filter((each) => !isSkipped.has(each)),
      ),
    )
  },
)

brokerTest('known defect: offsets that an open transaction may still replace are not changed', async () => {
  const kafka = await broker()
  const topic = 'in-transaction'
  const options = optionsOf(kafka, topic)
  await filled(kafka, topic)
  await runRest(kafka, options, topic)
  const transaction = await openTransaction(kafka, { group: topic, topic, partition: 0, offset: 50 })
  const seek = [...partitionArgs(topic, 90), '--yes', '--json']
  const { code, message } = errorOf(await change(kafka, topic, 'seek', ...seek))
  assert.is(code, 'GROUP_ACTIVE')
  assert.match(message, /in-transaction\/0: a transaction that is still open/)
  assert.is((await group(kafka, topic))[0]?.offset, 100)
  await transaction.abort()
  let done: Ended | undefined
  // The broker writes the end of a transaction after it has answered.
  await until('the end of the transaction', async () => {
    done = await change(kafka, topic, 'seek', ...seek)
    return done.status === 0
  })
  assert.ok(done !== undefined)
  assert.is(Object(onlyPartition(done)['after']).offset, 90)
  assert.equal(await runRest(kafka, options, topic), names(0, range(90, 100)))
})

test.run()
