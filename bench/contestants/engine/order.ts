/** What the engines benchmark tells a contestant's process, and what that tells back: one JSON argument, one JSON line. */
import { z } from 'zod'

export const ENGINE_IDS = [
  'inline',
  'worker-threads-1',
  'worker-threads-2',
  'processes-node',
  'processes-python',
  'processes-go',
  'remote-node',
] as const
export type EngineId = (typeof ENGINE_IDS)[number]

/** What a handler does for each message. */
export const WORKS = ['none', 'spin', 'wait'] as const
export type Work = (typeof WORKS)[number]

export const SPIN_US = 200
export const WAIT_MS = 10

/** Of messages that are there to begin with, and do not count. */
export const WARM_UP_KEY = 'warm-up'
/** How many there are of them where a topic is followed: one before the consumer, one of the producer. */
export const WARM_UPS = 2

export const engineOrder = z.object({
  engine: z.enum(ENGINE_IDS),
  work: z.enum(WORKS),
  /** Drain a topic that is full; or follow one that is produced to at a steady rate. */
  load: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('drain') }),
    z.object({ kind: z.literal('follow'), perSecond: z.number() }),
  ]),
  brokers: z.string(),
  topic: z.string(),
  group: z.string(),
  messages: z.number(),
  /** Handlers note every message there; '': they do not. The figures of a drain that does count nothing. */
  log: z.string(),
  properties: z.record(z.string(), z.string()),
  deadlineMs: z.number(),
})
export type EngineOrder = z.output<typeof engineOrder>

export const engineResult = z.object({
  messages: z.number(),
  /** From the end of the first tenth of a drain to its end. */
  seconds: z.number(),
  /** Of the host's process, all threads, in that time. */
  hostCpuSeconds: z.number(),
  /** Of the workers' processes, where there are any. */
  workersCpuSeconds: z.number(),
})
export type EngineResult = z.output<typeof engineResult>
