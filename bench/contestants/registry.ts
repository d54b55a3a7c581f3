/** What a contestant is to the harness: who it is, what it claims, and how it is started. */
import type { Command } from '../harness/live-process.js'
import type { Task, Work } from './task.js'

/** At librdkafka's defaults the C loop itself swings several-fold between runs. */
export const TUNED_PROPERTIES: Readonly<Record<string, string>> = {
  'queued.min.messages': '1000000',
  'fetch.queue.backoff.ms': '10',
}

/** What it is compared as. */
export type Role = 'limit' | 'laneway' | 'peer'

export interface Contestant {
  readonly id: string
  readonly label: string
  readonly role: Role
  /** Where it claims to, breaking the order of a key is a fault. */
  readonly keepsKeyOrder: boolean
  /** Runs handlers of one partition at once. */
  readonly concurrent: boolean
  /** Reads lz4; else it gets an uncompressed copy of the topic. */
  readonly lz4: boolean
  /** Of librdkafka, where it is built on that. */
  readonly properties: Readonly<Record<string, string>>
  /** The kinds of work that it takes part in; absent: all. */
  readonly works?: readonly Work['kind'][]
  command(task: Task): Command
}

/** Those that take part where handlers do such work. */
export function ableTo(contestants: readonly Contestant[], work: Work['kind']): Contestant[] {
  return contestants.filter(({ works }) => works === undefined || works.includes(work))
}
