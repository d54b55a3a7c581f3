/** The producer lays out what it was asked for, and its ledger says so. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, mockCluster } from './cluster.js'
import { type Ledger, readLedger } from './ledger.js'
import { runProcess, startProcess } from './live-process.js'
import { fillTopic, type Production, producerCommand, type TopicShape, WARMED_UP_LINE } from './topic.js'

interface Context {
  folder: string
  cluster: Cluster
}

const DEADLINE_MS = 60_000
const SHAPE: TopicShape = { messages: 4000, valueBytes: 32, keys: 100, partitions: 4 }

const test = suite<Context>('the producer')

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'laneway-bench-'))
  context.cluster = mockCluster()
})

test.after(async ({ cluster, folder }) => {
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function produced({ cluster, folder }: Context, shape: Partial<TopicShape>): Promise<Ledger> {
  return readLedger((await fillTopic(cluster, { ...SHAPE, ...shape }, folder)).ledger)
}

const records = (ledger: Ledger): number[] => Array.from({ length: ledger.length }, (_, record) => record)

function shareOf(ledger: Ledger, isCounted: (key: number) => boolean): number {
  return records(ledger).filter((record) => isCounted(ledger.key(record))).length / ledger.length
}

const isAbout = (value: number, wanted: number): boolean => Math.abs(value - wanted) < 0.03

test('uniform keys are used alike, and all of them', async (context) => {
  const ledger = await produced(context, {})
  assert.is(ledger.length, SHAPE.messages)
  assert.is(new Set(records(ledger).map((record) => ledger.key(record))).size, SHAPE.keys)
  assert.ok(
    isAbout(
      shareOf(ledger, (key) => key === 0),
      1 / SHAPE.keys,
    ),
  )
})

test("by Zipf's law, key 0 is used most often", async (context) => {
  const ledger = await produced(context, { choice: { kind: 'zipf', exponent: 1 } })
  const harmonic = Array.from({ length: SHAPE.keys }, (_, rank) => 1 / (rank + 1)).reduce((sum, share) => sum + share)
  assert.ok(
    isAbout(
      shareOf(ledger, (key) => key === 0),
      1 / harmonic,
    ),
  )
  assert.ok(
    isAbout(
      shareOf(ledger, (key) => key === 1),
      1 / 2 / harmonic,
    ),
  )
})

test('celebrities have their part of the messages', async (context) => {
  const ledger = await produced(context, { choice: { kind: 'celebrities', keys: 3, percent: 50 } })
  assert.ok(
    isAbout(
      shareOf(ledger, (key) => key < 3),
      0.5,
    ),
  )
})

test('the same shape gives the same messages, and each key counts from 0', async (context) => {
  const [one, other] = [await produced(context, {}), await produced(context, {})]
  const counts = new Map<number, number>()
  for (const record of records(one)) {
    const key = one.key(record)
    assert.equal([key, one.sequence(record)], [other.key(record), other.sequence(record)])
    assert.is(one.sequence(record), counts.get(key) ?? 0)
    counts.set(key, one.sequence(record) + 1)
  }
})

async function production({ cluster, folder }: Context, more: Partial<Production>): Promise<Production> {
  const topic = randomBytes(4).toString('hex')
  await cluster.createTopic(topic, SHAPE.partitions)
  const { messages, valueBytes, keys } = SHAPE
  return { topic, ledger: join(folder, topic), messages, valueBytes, keys, ...more }
}

test('at a rate, messages are due at equal distances, whenever they are sent', async (context) => {
  const order = await production(context, { messages: 200, perSecond: 1000 })
  assert.is((await runProcess(producerCommand(context.cluster.brokers, order), DEADLINE_MS)).kind, 'ended')
  const ledger = await readLedger(order.ledger)
  const first = ledger.micros(0)
  for (const record of records(ledger)) assert.is(ledger.micros(record), first + record * 1000)
})

test('a warm-up comes first, and the rest when it is told', async (context) => {
  const order = await production(context, { messages: 50, warmUp: 70 })
  const producer = startProcess(producerCommand(context.cluster.brokers, order), DEADLINE_MS)
  await producer.line((line) => line === WARMED_UP_LINE)
  const toldAt = Date.now() * 1000
  producer.tell('go')
  assert.is((await producer.ended).kind, 'ended')
  const ledger = await readLedger(order.ledger)
  assert.is(ledger.length, 120)
  assert.ok(ledger.micros(69) < toldAt + 1000 && ledger.micros(70) >= toldAt)
})

for (const [title, more, reason] of [
  ['values that name no message', { valueBytes: 15 }, /-s takes 16 to/],
  ['no keys', { keys: 0 }, /-k takes a number of keys/],
  ['an exponent that is none', { choice: { kind: 'zipf', exponent: -1 } }, /-z takes a number from 0 to 10/],
  [
    'more celebrities than keys',
    { choice: { kind: 'celebrities', keys: 100, percent: 5 } },
    /more than are celebrities/,
  ],
  [
    'more than all of the traffic',
    { choice: { kind: 'celebrities', keys: 1, percent: 101 } },
    /-c takes COUNT:PERCENT/,
  ],
] as const satisfies readonly (readonly [string, Partial<Production>, RegExp])[]) {
  test(`${title} are refused`, async (context) => {
    const order = await production(context, more)
    const ending = await runProcess(producerCommand(context.cluster.brokers, order), DEADLINE_MS)
    assert.is(ending.kind, 'failed')
    assert.match('reason' in ending ? ending.reason : '', reason)
  })
}

test.run()
