/** health(): what native code counts, as the words that a readiness probe and whoever is paged can use. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { healthOf } from '../../ts/health.js'
import type { RawPartitionStats, RawStandingMessage, RawStats } from '../../ts/native.js'

const partition: RawPartitionStats = {
  topic: 't',
  partition: 0,
  epoch: 1,
  committable: 10,
  committed: 8,
  highestSettled: 30,
  position: 40,
  logEnd: 50,
  gaps: 3,
  bufferedMessages: 5,
  bufferedBytes: 500,
  inFlight: 2,
  paused: false,
  metadataFull: false,
  commonLane: false,
  metadataFullMs: 0,
  commitAgeMs: 20,
  commitError: '',
}

const noLetters: RawStats['deadLetters'] = {
  pending: 0,
  delivered: 0,
  failures: 0,
  failingForMs: -1,
  lastFailure: '',
}

const counts: RawStats = {
  lanes: 1,
  executingLanes: 1,
  waitingLanes: 0,
  blockedLanes: 0,
  failingKeys: 0,
  poisonings: 0,
  bufferedMessages: 5,
  bufferedBytes: 500,
  slabBytes: 4_096,
  inFlight: 2,
  delivered: 40,
  settled: 20,
  retried: 0,
  staleSettlements: 0,
  skippedSettled: 0,
  holes: 0,
  commits: 1,
  commitFailures: 0,
  metadataFallbacks: 0,
  malformedHeaders: 0,
  outputBytes: 0,
  transactions: 0,
  abortedTransactions: 0,
  pollAgeMs: 3,
  deadLetters: noLetters,
  partitions: [partition],
}

const standing: RawStandingMessage = {
  topic: 't',
  partition: 0,
  offset: 10,
  key: Buffer.from('k'),
  attempt: 2,
  state: 'executing',
  ageMs: 100,
  failingForMs: 900,
}

type Known = Parameters<typeof healthOf>[0]

function health(known: Partial<Known> = {}) {
  return healthOf({
    state: 'running',
    wasAssigned: true,
    maxPollIntervalMs: undefined,
    stats: counts,
    standing: { blocking: [], oldest: [] },
    ...known,
  })
}

test('a consumer that runs, is a member and is served, is ready and has no problem', () => {
  const { isReady, problems, pollAgeMs, partitions } = health()
  assert.ok(isReady)
  assert.equal(problems, [])
  assert.is(pollAgeMs, 3)
  assert.equal(partitions[0], {
    topic: 't',
    partition: 0,
    committable: 10,
    committed: 8,
    lag: 40,
    blockedBy: undefined,
    bufferedMessages: 5,
    bufferedBytes: 500,
    inFlight: 2,
    isPaused: false,
    isMetadataFull: false,
    metadataFullMs: 0,
    lastCommit: { ageMs: 20, error: undefined },
  })
})

test('before it runs, before its group has answered, and after its end it is not ready, and says why', () => {
  for (const state of ['new', 'closing', 'closed', 'failed'] as const) {
    const { isReady, problems } = health({ state })
    assert.not(isReady)
    assert.equal(problems, [`the consumer is ${state}`])
  }
  const { isReady, problems } = health({ wasAssigned: false })
  assert.not(isReady)
  assert.equal(problems, ['the group has not answered yet'])
})

test('a consumer that is not served for half of max.poll.interval.ms is not ready', () => {
  const silent = (pollAgeMs: number) => ({ ...counts, pollAgeMs })
  assert.ok(health({ stats: silent(150_000) }).isReady)
  assert.equal(health({ stats: silent(150_001) }).problems, ['librdkafka was not served for 150001 ms'])
  assert.not(health({ stats: silent(3_001), maxPollIntervalMs: 6_000 }).isReady)
})

test('a partition names the message that blocks it, and no other partition does', () => {
  const stats = { ...counts, partitions: [partition, { ...partition, partition: 1 }] }
  const { partitions, longestRunning } = health({ stats, standing: { blocking: [standing], oldest: [standing] } })
  assert.is(partitions[0]?.blockedBy, standing)
  assert.is(partitions[1]?.blockedBy, undefined)
  assert.equal(longestRunning, [standing])
})

test('lag is not known before the first message, and never negative', () => {
  const lagOf = (changes: Partial<RawPartitionStats>) =>
    health({ stats: { ...counts, partitions: [{ ...partition, ...changes }] } }).partitions[0]?.lag
  assert.is(lagOf({ committable: -1 }), -1)
  assert.is(lagOf({ logEnd: -1 }), -1)
  assert.is(lagOf({ logEnd: 9 }), 0)
})

test('what somebody should know is said, and does not make it unready', () => {
  const stats: RawStats = {
    ...counts,
    partitions: [{ ...partition, commitError: 'Broker: Not coordinator', metadataFull: true }],
    deadLetters: { ...noLetters, pending: 4, failures: 2, failingForMs: 1_500, lastFailure: 'Broker: Unknown topic' },
  }
  const oldest = [
    { ...standing, ageMs: 60_001 },
    { ...standing, ageMs: 60_000 },
  ]
  const { isReady, problems, deadLetters } = health({
    stats,
    standing: { blocking: [{ ...standing, state: 'blocked' }], oldest },
  })
  assert.ok(isReady)
  assert.equal(problems, [
    't [0]: the last commit failed: Broker: Not coordinator',
    't [0]: the gap map is full; only gaps are filled',
    't [0]: offset 10 blocks its lane for good',
    't [0]: the handler of offset 10 runs for 60001 ms',
    '4 dead letters wait, for 1500 ms now: Broker: Unknown topic',
  ])
  assert.is(deadLetters.pending, 4)
})

test.run()
