/**
 * What a readiness probe and whoever is paged need to know of a consumer: does it move, and what does it wait for. Made of
 * native counts when it is asked for; it must not be part of the way of a message.
 */
import type { RawPartitionStats, RawStanding, RawStandingMessage, RawStats } from './native.js'

/** A message that stands at the head of its lane. Its `state` says why: see RawStandingMessage. */
export type StandingMessage = RawStandingMessage

export interface PartitionHealth {
  readonly topic: string
  readonly partition: number
  /** The lowest offset that is not settled; -1 before the first message. */
  readonly committable: number
  /** Acknowledged by the broker; -1: none. */
  readonly committed: number
  /** Messages from the committable offset to the end of the log, holes included; -1 where the end is not known yet. */
  readonly lag: number
  /** The message at the committable offset, where one is buffered: nothing below it can be committed. */
  readonly blockedBy: StandingMessage | undefined
  readonly bufferedMessages: number
  readonly bufferedBytes: number
  readonly inFlight: number
  /** Not drained now, because its share of the budgets is full. */
  readonly isPaused: boolean
  /** Starts only what fills gaps, because its gap map is at the limit. */
  readonly isMetadataFull: boolean
  /** ms spent so, in this assignment. */
  readonly metadataFullMs: number
  readonly lastCommit: {
    /** ms since the broker acknowledged one; -1: none in this assignment. */
    readonly ageMs: number
    /** Why the last one failed; undefined where it went well. */
    readonly error: string | undefined
  }
}

export type ConsumerState = 'new' | 'running' | 'closing' | 'closed' | 'failed'

export interface ConsumerHealth {
  readonly state: ConsumerState
  /** It runs, is a member with its group, and is served in time. */
  readonly isReady: boolean
  /** What is wrong, in words: why it is not ready, and what else somebody should know. */
  readonly problems: readonly string[]
  /** ms since librdkafka was last served; -1: not started. Above `max.poll.interval.ms` the group goes on without us. */
  readonly pollAgeMs: number
  readonly partitions: readonly PartitionHealth[]
  /** The messages whose handlers have run longest, the longest first. */
  readonly longestRunning: readonly StandingMessage[]
  readonly deadLetters: RawStats['deadLetters']
}

/** Handlers that run longer than this are a problem worth saying, in ms. */
const LONG_RUNNING_MS = 60_000
const DEFAULT_MAX_POLL_INTERVAL_MS = 300_000

interface Known {
  readonly state: ConsumerState
  readonly wasAssigned: boolean
  readonly maxPollIntervalMs: number | undefined
  readonly stats: RawStats
  readonly standing: RawStanding
}

const placeOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string =>
  `${topic} [${partition}]`

function partitionHealth(stats: RawPartitionStats, blocking: readonly RawStandingMessage[]): PartitionHealth {
  const { topic, partition, committable, committed, logEnd, bufferedMessages, bufferedBytes, inFlight } = stats
  const isHere = (message: RawStandingMessage) => message.topic === topic && message.partition === partition
  return {
    topic,
    partition,
    committable,
    committed,
    lag: logEnd < 0 || committable < 0 ? -1 : Math.max(logEnd - committable, 0),
    blockedBy: blocking.find(isHere),
    bufferedMessages,
    bufferedBytes,
    inFlight,
    isPaused: stats.paused,
    isMetadataFull: stats.metadataFull,
    metadataFullMs: stats.metadataFullMs,
    lastCommit: { ageMs: stats.commitAgeMs, error: stats.commitError === '' ? undefined : stats.commitError },
  }
}

/** Why it is not ready. */
function obstacles({ state, wasAssigned, stats, maxPollIntervalMs }: Known): string[] {
  if (state !== 'running') return [`the consumer is ${state}`]
  const most = maxPollIntervalMs ?? DEFAULT_MAX_POLL_INTERVAL_MS
  if (stats.pollAgeMs > most / 2) return [`librdkafka was not served for ${stats.pollAgeMs} ms`]
  return wasAssigned ? [] : ['the group has not answered yet']
}

function warnings(
  partitions: readonly PartitionHealth[],
  longest: readonly StandingMessage[],
  stats: RawStats,
): string[] {
  const found: string[] = []
  for (const partition of partitions) {
    const place = placeOf(partition)
    const { lastCommit, blockedBy } = partition
    if (lastCommit.error !== undefined) found.push(`${place}: the last commit failed: ${lastCommit.error}`)
    if (partition.isMetadataFull) found.push(`${place}: the gap map is full; only gaps are filled`)
    if (blockedBy?.state === 'blocked') found.push(`${place}: offset ${blockedBy.offset} blocks its lane for good`)
  }
  for (const { ageMs, offset, ...place } of longest) {
    if (ageMs > LONG_RUNNING_MS) found.push(`${placeOf(place)}: the handler of offset ${offset} runs for ${ageMs} ms`)
  }
  const { pending, failingForMs, lastFailure } = stats.deadLetters
  if (failingForMs >= 0) {
    found.push(`${pending} dead letters wait, for ${failingForMs} ms now: ${lastFailure}`)
  }
  return found
}

export function healthOf(known: Known): ConsumerHealth {
  const { state, stats, standing } = known
  const partitions = stats.partitions.map((partition) => partitionHealth(partition, standing.blocking))
  const notReady = obstacles(known)
  return {
    state,
    isReady: notReady.length === 0,
    problems: [...notReady, ...warnings(partitions, standing.oldest, stats)],
    pollAgeMs: stats.pollAgeMs,
    partitions,
    longestRunning: standing.oldest,
    deadLetters: stats.deadLetters,
  }
}
