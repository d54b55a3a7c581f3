/**
 * Produces one phase's messages at a steady rate, past the proxy, and notes each in the driver's ledger.
 *
 * One idempotent producer and explicit partitions: the n-th message of a partition gets offset n, whatever the broker
 * goes through. The handlers compare that with what arrives.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TestProducer } from '../ts/testing/index.js'
import type { LedgerWriter } from './ledger.js'
import { PARTITIONS } from './settings.js'
import { Drafts } from './workload.js'

const TICK_MS = 50
/** What a broker that was away kept from being produced is not made up for: its return is hard enough. */
const MOST_BEHIND_MS = 500
/** Above this backlog production waits, so that a run stays bounded when the group cannot follow. */
const MOST_BACKLOG = 20_000
const FLUSH_DEADLINE_MS = 90_000

export interface ProductionPlan {
  readonly bootstrapServers: string
  readonly topic: string
  readonly phase: string
  readonly seed: number
  /** Messages a second. */
  readonly rate: number
}

export class Production {
  readonly #plan: ProductionPlan
  readonly #ledger: LedgerWriter
  readonly #next = Array.from({ length: PARTITIONS }, () => 0)
  #stopping = false

  constructor(plan: ProductionPlan, ledger: LedgerWriter) {
    this.#plan = plan
    this.#ledger = ledger
  }

  get produced(): number {
    return this.#next.reduce((sum, count) => sum + count, 0)
  }

  stop(): void {
    this.#stopping = true
  }

  /**
   * Resolves when production was stopped and every message is acknowledged.
   * @param backlog messages that the group has not committed yet, as far as is known
   */
  async run(backlog: () => number): Promise<void> {
    const { bootstrapServers, topic, phase, seed, rate } = this.#plan
    const drafts = new Drafts(seed, phase, PARTITIONS)
    await using producer = new TestProducer({
      'bootstrap.servers': bootstrapServers,
      'enable.idempotence': 'true',
      'linger.ms': '5',
      // What a broker that is down leaves queued is all that is ever sent late.
      'queue.buffering.max.messages': '5000',
    })
    let dueAt = performance.now()
    while (!this.#stopping) {
      await sleep(TICK_MS)
      const now = performance.now()
      dueAt = backlog() > MOST_BACKLOG ? now : Math.max(dueAt, now - MOST_BEHIND_MS)
      const count = Math.floor(((now - dueAt) * rate) / 1000)
      dueAt += (count * 1000) / rate
      await this.#send(producer, topic, drafts, count)
    }
    await producer.flush(FLUSH_DEADLINE_MS)
  }

  async #send(producer: TestProducer, topic: string, drafts: Drafts, count: number): Promise<void> {
    const from = [...this.#next]
    const keys: (string | null)[][] = from.map(() => [])
    for (let sent = 0; sent < count; sent += 1) {
      const { key, partition } = drafts.next()
      const offset = this.#next[partition] ?? 0
      this.#next[partition] = offset + 1
      keys[partition]?.push(key)
      await producer.send({ topic, partition, key, value: String(offset) })
    }
    for (const [partition, each] of keys.entries()) {
      if (each.length === 0) continue
      this.#ledger.write({ event: 'produced', partition, from: from[partition] ?? 0, keys: each })
    }
  }
}
