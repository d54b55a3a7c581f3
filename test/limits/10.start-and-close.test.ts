/**
 * A thousand consumers that start and close leave nothing behind. What a process has is counted by the system: threads
 * and files in /proc, resources by Node, memory as RSS after the collector ran. The broker is another process, so that
 * nothing of it counts. Several consumers live at once, because most of a cycle is waiting for the broker.
 */
import { readdirSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer } from '../../ts/consumer.js'
import type { Logger } from '../../ts/ports/logger.js'
import type { Broker } from '../broker/broker.js'
import { brokerTest, fill, sharedBroker, until } from '../integration/support.js'

const broker = sharedBroker()

const CYCLES = 1_000
/** After these, thread pools, the allocator's arenas and compiled code have their size. */
const WARM_UP = 500
const AT_ONCE = 10
const MESSAGES = 20
/** 8 KiB a cycle: the allocator's arenas still grow a little after the warm-up. */
const MOST_GROWTH_BYTES = 8 * 1024 * 1024
const DEAD_LETTERS = 'cycles.dead'
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

interface Holdings {
  readonly threads: number
  readonly files: number
  readonly resources: string
  readonly rssBytes: number
}

/** What native objects held is collected only after they were, in a later turn of the event loop. */
async function collectAll(): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    collectGarbage()
    await nextTurn()
  }
}

async function holdings(): Promise<Holdings> {
  await collectAll()
  return {
    threads: readdirSync('/proc/self/task').length,
    files: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().toSorted().join(' '),
    rssBytes: process.memoryUsage.rss(),
  }
}

/** Each cycle is one of these: what it starts, and how far it gets, differs. */
const KINDS = [
  'handles all',
  'batches',
  'dead letters',
  'closed at once',
  'batches closed at once',
  'aborted',
  'never run',
] as const

async function cycle(kafka: Broker, topic: string, number: number): Promise<void> {
  const kind = KINDS[number % KINDS.length]
  const consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': `cycles-${number}` },
    topics: [topic],
    logger: silent,
    ...(kind === 'dead letters' ? { deadLetter: { topic: DEAD_LETTERS }, retry: { maxAttempts: 1 } } : {}),
  })
  // Not even closed: nothing runs yet.
  if (kind === 'never run') return
  let handled = 0
  const finished =
    kind === 'batches' || kind === 'batches closed at once'
      ? consumer.runBatches((messages) => {
          handled += messages.length
        })
      : consumer.run(({ offset }, { signal }) => {
          handled += 1
          if (kind === 'dead letters' && offset === 0) throw new Error('on purpose')
          if (kind !== 'aborted') return
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        })
  if (kind === 'aborted') await until('a handler to start', () => handled > 0)
  else if (kind === 'dead letters') await until('the dead letter', () => consumer.stats().settled === MESSAGES)
  else if (kind === 'handles all' || kind === 'batches') await until('all messages', () => handled === MESSAGES)
  await consumer.close({ mode: kind === 'aborted' ? 'abort' : 'drain' })
  await finished
}

async function cycles(kafka: Broker, topic: string, from: number, to: number): Promise<void> {
  let next = from
  const workers = Array.from({ length: AT_ONCE }, async () => {
    while (next < to) {
      next += 1
      await cycle(kafka, topic, next - 1)
    }
  })
  await Promise.all(workers)
}

brokerTest('a thousand start and close cycles leave no thread, file, handle or memory behind', async () => {
  const kafka = await broker()
  await kafka.createTopic('cycles')
  await kafka.createTopic(DEAD_LETTERS)
  await fill(kafka, { topic: 'cycles', messages: MESSAGES, keys: MESSAGES, partitions: 1 })
  await cycles(kafka, 'cycles', 0, WARM_UP)
  const before = await holdings()
  const startedAt = performance.now()
  await cycles(kafka, 'cycles', WARM_UP, WARM_UP + CYCLES)
  const elapsedMs = performance.now() - startedAt
  const after = await holdings()
  const growthBytes = after.rssBytes - before.rssBytes
  process.stdout.write(
    `  ${CYCLES} cycles in ${Math.round(elapsedMs)} ms: ${after.threads} threads (${before.threads} before), ` +
      `${after.files} files (${before.files}), RSS ${(growthBytes / 1024).toFixed(0)} KiB more\n`,
  )
  assert.is(after.threads, before.threads, 'threads')
  assert.is(after.files, before.files, 'files')
  assert.is(after.resources, before.resources, 'resources of the event loop')
  assert.ok(growthBytes < MOST_GROWTH_BYTES, `RSS grew by ${growthBytes} bytes`)
})

brokerTest('a consumer that nobody refers to is collected: closed, or never run', async () => {
  const kafka = await broker()
  await kafka.createTopic('collected')
  const made = async (isRun: boolean): Promise<WeakRef<ParallelConsumer>> => {
    const consumer = new ParallelConsumer({
      kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'collected' },
      topics: ['collected'],
    })
    if (isRun) {
      const running = consumer.run(() => undefined)
      await until('the assignment', () => consumer.stats().partitions.length === 1)
      await consumer.close()
      await running
    }
    return new WeakRef(consumer)
  }
  const closed = await made(true)
  const neverRun = await made(false)
  // A WeakRef holds on to what it refers to for the rest of the turn that made it.
  await nextTurn()
  await collectAll()
  assert.is(neverRun.deref(), undefined, 'never run')
  assert.is(closed.deref(), undefined, 'closed')
})

test.run()
