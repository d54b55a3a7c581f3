/**
 * The settings that the members, the broker and the checker must agree on. Timeouts are short, so that two minutes hold
 * many of them; each is still long against what a busy machine adds.
 */
import { z } from 'zod'

export const PARTITIONS = 8
/** A group without a heartbeat from a member for so long goes on without it. */
export const SESSION_TIMEOUT_MS = 3_000
export const HEARTBEAT_MS = 300
/**
 * With KIP-848 librdkafka waits no longer for the answer to a heartbeat than until the next one. Where that answer carries
 * a new epoch and comes late, the group fences the member: a round trip, delayed or on a busy machine, must fit in.
 */
const KIP_848_HEARTBEAT_MS = 1_000
/** What a revoke waits for running handlers; the slowest handlers take longer. */
export const REBALANCE_TIMEOUT_MS = 2_500
/** What close() waits for them. */
export const CLOSE_TIMEOUT_MS = 2_500
export const MAX_POLL_INTERVAL_MS = 15_000
export const COMMIT_INTERVAL_MS = 200

/** Each phase of a run has a group of its own, with one of Kafka's three ways to rebalance. */
export const PROTOCOLS = {
  eager: {
    'partition.assignment.strategy': 'range',
    'session.timeout.ms': SESSION_TIMEOUT_MS,
    'heartbeat.interval.ms': HEARTBEAT_MS,
  },
  cooperative: {
    'partition.assignment.strategy': 'cooperative-sticky',
    'session.timeout.ms': SESSION_TIMEOUT_MS,
    'heartbeat.interval.ms': HEARTBEAT_MS,
  },
  // Session and heartbeat are the broker's: see BROKER_PROPERTIES.
  'kip-848': { 'group.protocol': 'consumer' },
} as const
export type Protocol = keyof typeof PROTOCOLS
export const PROTOCOL_NAMES = ['eager', 'cooperative', 'kip-848'] as const satisfies readonly Protocol[]

/** Where the members' handlers run. */
export const ENGINE_NAMES = ['inline', 'worker-threads', 'processes'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

export const BROKER_PROPERTIES = {
  // Kafka's default. A broker that its own controller takes for dead while it starts unloads the group's coordinator in the
  // middle of its loading, and may lose the group (docs/decisions/0011-test-broker.md): a busy machine needs longer than 3 s.
  'broker.session.timeout.ms': 9_000,
  'group.consumer.session.timeout.ms': SESSION_TIMEOUT_MS,
  'group.consumer.heartbeat.interval.ms': KIP_848_HEARTBEAT_MS,
} as const

/** What a member is started with: one JSON argument. */
export const memberOrder = z.object({
  member: z.string(),
  seed: z.number(),
  protocol: z.enum(PROTOCOL_NAMES),
  engine: z.enum(ENGINE_NAMES),
  bootstrapServers: z.string(),
  topic: z.string(),
  group: z.string(),
  ledger: z.string(),
})
export type MemberOrder = z.output<typeof memberOrder>

/** The checker's bounds, see fences.ts: generous for a busy machine, far below what a defect would need. */
export const LEARNING_MS = SESSION_TIMEOUT_MS + 4_000
export const EVENT_MS = 1_500
