/**
 * One run of a contestant under an open load: messages fall due at a steady rate, whatever becomes of those before them.
 * The contestant joins its group and warms up on messages that are there already; they are left out of what is measured.
 */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contestant } from '../contestants/registry.js'
import type { Cluster } from './cluster.js'
import { type Assignment, ContestantProcess, type ContestantRun } from './contestant-process.js'
import { type Ledger, readLedger } from './ledger.js'
import { type LiveProcess, startProcess } from './live-process.js'
import { producerCommand, type TopicShape, WARMED_UP_LINE } from './topic.js'

export interface OpenLoad extends TopicShape, Omit<Assignment, 'brokers' | 'topic' | 'messages'> {
  /** Messages/s; absent: as fast as the producer can. */
  readonly perSecond?: number
  /** Messages that are there before the contestant starts, on top of the others. */
  readonly warmUp: number
}

export interface OpenLoopRun extends ContestantRun {
  readonly produced: Ledger
}

/** From the first message on, for the other messages to warm up with. */
const WARM_UP_MS = 1_000

/** @throws Error where the producer or the contestant fails or hangs */
export async function runOpenLoop(cluster: Cluster, contestant: Contestant, load: OpenLoad): Promise<OpenLoopRun> {
  const topic = `laneway-bench-${randomBytes(4).toString('hex')}`
  const ledger = join(load.folder, `${topic}.produced`)
  await cluster.createTopic(topic, load.partitions)
  const producer = startProcess(producerCommand(cluster.brokers, { ...load, topic, ledger }), load.deadlineMs)
  try {
    await producer.line((line) => line === WARMED_UP_LINE)
    const assignment = { ...load, brokers: cluster.brokers, topic, messages: load.messages + load.warmUp }
    await using consumer = new ContestantProcess(contestant, assignment)
    await consumer.firstMessage()
    await sleep(WARM_UP_MS)
    producer.tell('go')
    // Whichever fails first ends both.
    const [run] = await Promise.all([consumer.finish(), endOf(producer)])
    return { ...run, produced: await readLedger(ledger) }
  } finally {
    producer.kill()
    await producer.ended
    await rm(ledger, { force: true })
    await cluster.deleteTopic(topic)
  }
}

async function endOf(producer: LiveProcess): Promise<void> {
  const ending = await producer.ended
  if (ending.kind !== 'ended') throw new Error(`the producer ${ending.kind}: ${ending.reason}`)
}
