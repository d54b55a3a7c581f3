/**
 * The one place that loads the addon and types its raw calls. Every call here follows a C++ function one for one and
 * has no opinion; what is checked, defaulted or renamed happens in the façade above.
 *
 * Failures of raw calls are thrown as plain `Error`s that carry `code`, `kafkaError`, `retriable` and `fatal`
 * ({@link RawFailure}); `errors.ts` turns them into `LanewayError`s.
 */
import { createRequire } from 'node:module'
import type { Taker } from './ports/engine.js'

/** What every failure that crosses from native code carries. */
export interface RawFailure {
  /** Stable laneway code, e.g. `METADATA_CORRUPT`, `BROKER_UNREACHABLE`. */
  readonly code: string
  readonly message: string
  /** librdkafka's error name, e.g. `TOPIC_AUTHORIZATION_FAILED`, where the failure came from Kafka. */
  readonly kafkaError?: string
  readonly retriable: boolean
  readonly fatal: boolean
}

export interface RawVersions {
  readonly addon: string
  readonly librdkafka: string
  /** librdkafka's `builtin.features`, comma-separated. */
  readonly features: string
  readonly zstd: string
}

export type RawOrder = 'key' | 'partition' | 'none'
export type RawMetadataFormat = 'laneway' | 'confluent' | 'none'
export type RawCarrier = 'base32768' | 'base64'

export interface RawConsumerOptions {
  /** librdkafka properties as given; the adapter adds and checks its own (see native/kafka/config.h). */
  readonly properties: Readonly<Record<string, string>>
  readonly topics: readonly string[]
  readonly order: RawOrder
  /** Lanes being executed at once, over all engines' attachments. */
  readonly concurrency: number
  readonly maxBufferedMessages: number
  readonly maxBufferedBytes: number
  /** Most consecutive messages of one lane in one lease. */
  readonly maxRunLength: number
  readonly commitIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly metadataFormat: RawMetadataFormat
  readonly metadataCarrier: RawCarrier
  /** UTF-16 code units; lowered by itself when the broker refuses. */
  readonly metadataMaxUnits: number
  /** A subscribed topic that does not exist is waited for. */
  readonly waitForTopics: boolean
  /** Most bytes of one lane in one lease, but for its first message. */
  readonly maxRunBytes: number
  /** A take ends rather than cut a run short. */
  readonly wholeRuns: boolean
  /** A lane with less than a whole run waits this long for more. */
  readonly lingerMs: number
  /** Failures in a row that make a key poison; 0: none do. */
  readonly poisonAfter: number
  readonly poisonCoolDownMs: number
  /** Messages of a poison key are taken with attempt 0, not to be run; otherwise they wait. */
  readonly poisonIsTaken: boolean
  /** Bytes of outputs that wait for their transaction; above it nothing is taken. */
  readonly maxOutputBytes: number
  /** Properties of the producer of dead letters; those of consumers alone are left out. null: none. */
  readonly deadLetters: Readonly<Record<string, string>> | null
  /** Properties of the transactional producer, likewise. null: none. */
  readonly transactions: Readonly<Record<string, string>> | null
}

export interface RawAssignedPartition {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  /** The group's committed offset; -1 where there is none. */
  readonly committed: number
  /** Format of the committed metadata; 'none' when empty, 'foreign' when not ours to read. */
  readonly format: 'none' | 'laneway' | 'confluent' | 'foreign'
  /** Settled offsets above the committed one that will be skipped. */
  readonly settledAbove: number
}

export interface RawTopicPartition {
  readonly topic: string
  readonly partition: number
}

export type RawEvent =
  | { readonly kind: 'assigned'; readonly partitions: readonly RawAssignedPartition[] }
  | { readonly kind: 'revoked'; readonly lost: boolean; readonly partitions: readonly RawTopicPartition[] }
  | { readonly kind: 'committed'; readonly partitions: readonly (RawTopicPartition & { readonly offset: number })[] }
  /** `run()` must reject: the consumer cannot go on. */
  | ({ readonly kind: 'fatal' } & RawFailure)
  /** Counted and logged; the consumer goes on by itself. */
  | ({ readonly kind: 'warning' } & RawFailure)
  | { readonly kind: 'log'; readonly level: number; readonly facility: string; readonly message: string }
  /** librdkafka's statistics, where `statistics.interval.ms` is set. */
  | { readonly kind: 'statistics'; readonly json: string }

/** How a message ended. Values are shared with native/core/dispatcher.h. */
export const Outcome = {
  /** Settled: the handler returned. */
  Completed: 0,
  /** Not settled: run again after the delay. It and the later messages of its lease go back to the lane. */
  Retried: 1,
  /** Settled: the broker has acknowledged the dead letter. */
  DeadLettered: 2,
  /** Settled: dropped on purpose. */
  Dropped: 3,
  /** Not settled and not counted as an attempt: it and the later messages of its lease go back to the lane. */
  Released: 4,
  /** Not settled: its lane stays closed for the rest of the assignment. */
  Blocked: 5,
} as const
export type Outcome = (typeof Outcome)[keyof typeof Outcome]

/**
 * One engine thread's connection to the dispatcher. Not shared between threads.
 *
 * Settlements are written by the caller into columns over `settlements` (capacity C = `settlementCapacity` records):
 *   leases   Float64 x C  at byte 0        lease id: batch.firstLease + index of the message in its batch
 *   slots    Uint32  x C  at byte  8 C     the message's slot column
 *   delays   Uint32  x C  at byte 12 C     ms until the next attempt (Retried only)
 *   outcomes Uint8   x C  at byte 16 C     Outcome
 *
 * The lease is written last: native code sets it to 0 when it has read the settlement, and reads what is there when the
 * environment ends before it was told.
 */
export type RawTaker = Taker

export interface RawPartitionStats extends RawTopicPartition {
  readonly epoch: number
  /** Lowest offset that is not settled; -1 before the first message. */
  readonly committable: number
  /** Last offset acknowledged by the broker; -1 where there is none. */
  readonly committed: number
  readonly highestSettled: number
  /** Next offset to be delivered; -1 before the first message. */
  readonly position: number
  /** End of the log as last seen; -1 when unknown. */
  readonly logEnd: number
  readonly gaps: number
  readonly bufferedMessages: number
  readonly bufferedBytes: number
  readonly inFlight: number
  /** Not drained now, because a budget is full (DESIGN: "paused" means not drained). */
  readonly paused: boolean
  /** Gap map at its limit: only offsets below the highest settled one are started. */
  readonly metadataFull: boolean
  /** ms spent so, in this assignment. */
  readonly metadataFullMs: number
  /** One lane for all keys that are not stalled, because handlers end at once (native/core/common_lane.cc). */
  readonly commonLane: boolean
  /** ms since the broker acknowledged a commit of this assignment; -1: none yet. */
  readonly commitAgeMs: number
  /** Why the last commit failed; '' where it went well. */
  readonly commitError: string
}

export interface RawStandingMessage extends RawTopicPartition {
  readonly offset: number
  /** Its first 256 bytes; null: none. */
  readonly key: Buffer | null
  /** The attempt that runs or comes next. */
  readonly attempt: number
  /**
   * `ready`: waits for a free engine; `executing`; `waiting`: for its retry, a poison key's cool-down or more messages;
   * `dead-lettering`: its letter is not acknowledged; `blocked`: not run again; `held`: the gap map is full.
   */
  readonly state: 'ready' | 'executing' | 'waiting' | 'dead-lettering' | 'blocked' | 'held'
  /** ms since it came into this state. */
  readonly ageMs: number
  /** ms since its first failure; -1: none. */
  readonly failingForMs: number
}

export interface RawStanding {
  /** The messages at the partitions' committable offsets. */
  readonly blocking: readonly RawStandingMessage[]
  /** Those that engines have had longest. */
  readonly oldest: readonly RawStandingMessage[]
}

export interface RawStats {
  readonly lanes: number
  readonly executingLanes: number
  /** Closed until their retry is due, a poison key has cooled down, or a batch has lingered. */
  readonly waitingLanes: number
  /** Closed for the rest of their assignment. */
  readonly blockedLanes: number
  /** Keys that failed and did not succeed since, and how often one became poison. */
  readonly failingKeys: number
  readonly poisonings: number
  readonly bufferedMessages: number
  readonly bufferedBytes: number
  readonly slabBytes: number
  readonly inFlight: number
  readonly delivered: number
  readonly settled: number
  readonly retried: number
  /** Settlements ignored: of an earlier epoch or attempt, twice, or unknown. */
  readonly staleSettlements: number
  /** Messages that recovery skipped because committed metadata says they are settled. */
  readonly skippedSettled: number
  readonly holes: number
  readonly commits: number
  readonly commitFailures: number
  readonly metadataFallbacks: number
  /** Messages whose headers did not decode, handed over without them. */
  readonly malformedHeaders: number
  /** What handlers produced and no transaction has carried yet. */
  readonly outputBytes: number
  readonly transactions: number
  readonly abortedTransactions: number
  /** ms since librdkafka was last served; -1: not started. */
  readonly pollAgeMs: number
  readonly deadLetters: {
    /** Not acknowledged yet. */
    readonly pending: number
    readonly delivered: number
    /** Sends that failed; each is repeated. */
    readonly failures: number
    /** ms since the first of the sends that failed with none acknowledged since; -1: the last one went well. */
    readonly failingForMs: number
    readonly lastFailure: string
  }
  readonly partitions: readonly RawPartitionStats[]
}

export interface RawConsumer {
  /**
   * Subscribes and starts the native threads; once. `onEvent` is called on this thread for everything that is not a
   * message. A consumer that was not started needs no close().
   */
  start(onEvent: (event: RawEvent) => void): void
  /** For `attachTo`: never given again in this process. */
  readonly token: number
  /** `onReady` is called on the attaching thread, coalesced, only after a take returned null. */
  attach(onReady: () => void): RawTaker
  /** Gives back what the takers of this ward still have, where their environments have ended. May be called again. */
  abandon(ward: number): void
  /** The topic and partition behind a batch's partition id; ids never change their meaning within a consumer. */
  partition(id: number): RawTopicPartition
  stats(): RawStats
  /** Walks all lanes: for health, not for every message. */
  standing(mostOldest: number): RawStanding
  /** From now on `take` returns null: nothing new starts. Leases may still be settled. */
  stopTaking(): void
  /** Resolves true when nothing is leased any more, false when `deadlineMs` passed first. */
  drained(deadlineMs: number): Promise<boolean>
  /** Fences what is still leased, commits, leaves the group, joins the threads. Idempotent. */
  close(): Promise<void>
}

/** A taker of a consumer that was made in another environment, and the names of its partitions. */
export interface RawAttachment {
  readonly taker: RawTaker
  partition(id: number): RawTopicPartition
}

export interface RawProducer {
  /**
   * Queues one record. `partition` -1 lets the key decide; `timestamp` 0 means now. Returns false when the queue is full
   * (try again after some have been delivered). Headers alternate name and value.
   */
  produce(
    topic: string,
    partition: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestamp: number,
    headers: readonly (string | Uint8Array | null)[] | null,
  ): boolean
  readonly delivered: number
  readonly failed: number
  readonly queued: number
  /** Resolves when all queued records are acknowledged; rejects after `timeoutMs` or on a failed record. */
  flush(timeoutMs: number): Promise<void>
  close(): Promise<void>
}

/** librdkafka's in-process mock cluster, on loopback. */
export interface RawMockCluster {
  readonly bootstrapServers: string
  createTopic(topic: string, partitions: number): void
  close(): void
}

export interface RawGroupPartition extends RawTopicPartition {
  readonly offset: number
  readonly logStart: number
  readonly logEnd: number
  /** Of the message before the offset; -1 where the committer did not say. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Set where this partition could not be read; the other fields are then -1 and ''. */
  readonly error?: RawFailure
}

export interface RawGroupMember {
  readonly memberId: string
  readonly clientId: string
  readonly host: string
  /** '' for a member that is not static. */
  readonly instanceId: string
}

export interface RawGroupDescription {
  /** librdkafka's names, e.g. `Stable`, `Empty`; `Dead` for a group that the cluster does not know. */
  readonly state: string
  readonly type: string
  readonly members: readonly RawGroupMember[]
}

export interface RawLog extends RawTopicPartition {
  readonly start: number
  readonly end: number
  /** The first message that is not older than the time asked for; -1 where there is none. */
  readonly atTime: number
  /** Set where this partition could not be read; `partition` -1: the topic as a whole. */
  readonly error?: RawFailure
}

export interface RawGroupCommit extends RawTopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface RawGroupCommitted extends RawTopicPartition {
  /** Set where the broker refused this partition. */
  readonly error?: RawFailure
}

export interface RawGapMap {
  readonly format: 'none' | 'laneway' | 'confluent'
  readonly base: number
  readonly highest: number
  readonly gaps: Float64Array
}

export interface RawEncodedMetadata {
  readonly metadata: string
  readonly units: number
  /** Highest offset that the text covers: lower than asked when it was cut to fit. */
  readonly highest: number
}

export interface RawNewTopic {
  readonly topic: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly config: Readonly<Record<string, string>>
}

export interface Addon {
  readonly Consumer: new (options: RawConsumerOptions) => RawConsumer
  readonly Producer: new (properties: Readonly<Record<string, string>>) => RawProducer
  readonly MockCluster: new (brokers: number) => RawMockCluster
  versions(): RawVersions
  /**
   * As RawConsumer.attach, from any environment of the process. When this environment ends, what its taker has stays
   * leased until `abandon(ward)`: a number above 0, given once. Throws CONSUMER_CLOSED where the consumer is.
   */
  attachTo(token: number, ward: number, onReady: () => void): RawAttachment
  /**
   * Every committed partition of a group, with the log's bounds. With `requireStable` a partition for which a
   * transaction is still open has an error.
   */
  readGroup(
    properties: Readonly<Record<string, string>>,
    group: string,
    timeoutMs: number,
    requireStable?: boolean,
  ): Promise<RawGroupPartition[]>
  describeGroup(
    properties: Readonly<Record<string, string>>,
    group: string,
    timeoutMs: number,
  ): Promise<RawGroupDescription>
  /** Commits as a client that is no member: refused by the broker while the group has members. */
  commitGroup(
    properties: Readonly<Record<string, string>>,
    group: string,
    commits: readonly RawGroupCommit[],
    timeoutMs: number,
  ): Promise<RawGroupCommitted[]>
  /** Every partition of the topics, each named once, with its bounds and the offset of a time (ms since 1970). */
  readLogs(
    properties: Readonly<Record<string, string>>,
    topics: readonly string[],
    time: number | null,
    timeoutMs: number,
  ): Promise<RawLog[]>
  createTopics(
    properties: Readonly<Record<string, string>>,
    topics: readonly RawNewTopic[],
    timeoutMs: number,
  ): Promise<void>
  /** `format` 'auto' tells laneway's and Confluent's apart. Throws METADATA_FOREIGN or METADATA_CORRUPT. */
  decodeMetadata(offset: number, metadata: string, format: 'auto' | 'laneway' | 'confluent'): RawGapMap
  encodeMetadata(
    base: number,
    highest: number,
    gaps: Float64Array,
    format: 'laneway' | 'confluent',
    carrier: RawCarrier,
    maxUnits: number,
  ): RawEncodedMetadata
}

function platformPackage(): string {
  const libc = process.platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : ''
  return `@laneway/${process.platform}-${process.arch}${libc}`
}

function isMusl(): boolean {
  const report: unknown = process.report?.getReport()
  const header = (report as { header?: { glibcVersionRuntime?: string } } | undefined)?.header
  return header !== undefined && header.glibcVersionRuntime === undefined
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND'
}

function load(): Addon {
  const require = createRequire(import.meta.url)
  const candidates = ['../build/Release/laneway.node', platformPackage()]
  for (const candidate of candidates) {
    try {
      return require(candidate) as Addon
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  throw new Error(
    `laneway has no native addon for ${process.platform} ${process.arch}: the package ${platformPackage()} is not ` +
      'installed (are optional dependencies switched off?), and there is no build in this checkout (npm run build)',
  )
}

export const addon: Addon = load()
