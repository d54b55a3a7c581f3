/** Everyone gets the messages that they can handle, on a topic that they can read. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Contestant, TUNED_PROPERTIES } from '../contestants/registry.js'
import { faultsOfCase, toLimit } from './case-section.js'
import { mockCluster } from './cluster.js'
import { type Case, type Entry, entriesOf, runRounds, type Tally } from './rounds.js'
import { Topics } from './topics.js'

const CASE: Case = {
  title: 'a case',
  shape: { messages: 20_000, valueBytes: 16, keys: 10, partitions: 4 },
  work: { kind: 'none' },
  concurrency: 1,
}

function contestant(entry: Partial<Contestant> & Pick<Contestant, 'id'>): Contestant {
  return {
    label: entry.id,
    role: 'peer',
    keepsKeyOrder: false,
    concurrent: false,
    lz4: true,
    properties: {},
    command: () => ({ program: 'false', args: [] }),
    ...entry,
  }
}

/** Claims to have handled everything, at so many seconds for a message, and says so in a ledger, at others. */
function claiming(id: string, secondsPerMessage: number, withLedger = secondsPerMessage): Contestant {
  const script = `
    const task = JSON.parse(process.argv[1])
    if (task.ledger !== undefined) require('node:fs').writeFileSync(task.ledger, '')
    const seconds = 1 + task.messages * (task.ledger === undefined ? ${secondsPerMessage} : ${withLedger})
    console.log(JSON.stringify({ messages: task.messages, seconds, firstMessageSeconds: 1, cpuSeconds: 1, maxRssKib: 1, versions: {} }))`
  return contestant({
    id,
    command: (task) => ({ program: process.execPath, args: ['-e', script, JSON.stringify(task)] }),
  })
}

const names = (entries: readonly Entry[]): string[] =>
  entries.map(({ label, compression }) => `${label}: ${compression}`)

test('who cannot read lz4 gets an uncompressed copy, and others are measured beside it', () => {
  const contestants = [contestant({ id: 'a' }), contestant({ id: 'b' }), contestant({ id: 'old', lz4: false })]
  assert.equal(names(entriesOf(contestants, CASE, ['a'])), [
    'a: lz4',
    'b: lz4',
    'old, uncompressed: none',
    'a, uncompressed: none',
  ])
  assert.equal(names(entriesOf(contestants.slice(0, 2), CASE, ['a'])), ['a: lz4', 'b: lz4'])
  const uncompressed = { ...CASE, shape: { ...CASE.shape, compression: 'none' } as const }
  assert.equal(names(entriesOf(contestants, uncompressed, ['a'])), ['a: none', 'b: none', 'old: none'])
})

test('who is too slow for all messages gets fewer, and who fails is not measured again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-bench-'))
  await using cluster = mockCluster()
  await using topics = new Topics(cluster, folder, () => undefined)
  const contestants = [
    claiming('fast', 0.0001),
    claiming('slow in its ledger', 0.0001, 0.005),
    claiming('slow', 0.005),
    contestant({ id: 'broken' }),
  ]
  const plan = {
    brokers: cluster.brokers,
    topics,
    folder,
    runs: 2,
    deadlineMs: 30_000,
    patienceSeconds: 20,
    say: () => undefined,
  }
  const tallies = await runRounds(entriesOf(contestants, CASE, []), CASE, plan)
  const seen = tallies.map(({ entry, messages, rounds }) => [entry.label, messages, rounds.length])
  assert.equal(seen, [
    ['fast', 20_000, 2],
    ['slow in its ledger', 20_000, 2],
    ['slow', 2_000, 2],
    ['broken', undefined, 0],
  ])
  const faults = faultsOfCase(CASE, tallies)
  assert.is(faults.length, 4)
  assert.match(faults[0] ?? '', /^a case, fast: wrong: 2,000 lost/)
  assert.match(faults[3] ?? '', /^a case, broken: failed/)
  await rm(folder, { recursive: true })
})

function tallyOf(entry: Contestant, compression: Entry['compression'], perSecond: readonly number[]): Tally {
  const rounds = perSecond.map((rate, index) => {
    const result = { messages: rate, seconds: 1, firstMessageSeconds: 0, cpuSeconds: 1, maxRssKib: 1, versions: {} }
    return { round: index + 1, run: { kind: 'finished', result } as const }
  })
  const verification = { kind: 'failed', reason: '' } as const
  return { entry: { contestant: entry, label: entry.id, compression }, messages: 1, verification, rounds }
}

test('the limit is the faster C loop at its tuned settings, on the same copy, in the same round', () => {
  const limit = contestant({ id: 'limit', role: 'limit', properties: TUNED_PROPERTIES })
  const own = tallyOf(contestant({ id: 'own' }), 'lz4', [50, 30, 90])
  const tallies = [
    tallyOf(limit, 'lz4', [100, 10, 100]),
    tallyOf(limit, 'lz4', [90, 90, 90]),
    tallyOf(limit, 'none', [1000, 1000, 1000]),
    tallyOf({ ...limit, properties: {} }, 'lz4', [500, 500, 500]),
  ]
  assert.is(toLimit.ratio(own, tallies), 0.9)
  assert.is(toLimit.ratio(own, tallies.slice(2)), 0.05)
  assert.is(toLimit.ratio(own, []), undefined)
})

test.run()
