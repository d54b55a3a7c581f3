/**
 * `laneway demo`: an embedded broker, a producer and a consumer in one process, with a ledger that checks what the
 * handler really saw. The broker keeps some 5 MB of each partition, so the producer stays within that of the consumer.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { ParallelConsumer } from '../consumer.js'
import { LanewayError } from '../errors.js'
import { MockBroker, TestProducer } from '../testing/index.js'
import { Ledger, type Order } from './ledger.js'
import { wholeNumber } from './options.js'
import { formatCount, formatTable, LiveBlock, writeJson } from './terminal.js'

interface DemoOptions {
  readonly messages: number
  readonly keys: number
  readonly partitions: number
  readonly order: Order
  readonly workMs: number
  readonly concurrency: number
  readonly json: boolean
}

interface DemoSummary {
  readonly messages: number
  readonly processed: number
  readonly durationMs: number
  readonly messagesPerSecond: number
  readonly inversions: number
  readonly lost: number
  readonly duplicates: number
  readonly committed: Readonly<Record<string, number>>
}

const TOPIC = 'demo'
/** Some 3 MB of the broker's 5, at about 130 bytes a record. */
const MAX_AHEAD = 20_000
const PRODUCE_CHUNK = 500
const DRAW_MS = 200
/** Without any progress for so long, something is wrong: say so rather than hang. */
const STALL_MS = 60_000

/** What is known of the run while it runs. */
class Progress {
  readonly produced: number[]
  readonly consumed: number[]
  readonly committed: Record<string, number> = {}
  lastProgressAt = performance.now()

  constructor(partitions: number) {
    this.produced = new Array<number>(partitions).fill(0)
    this.consumed = new Array<number>(partitions).fill(0)
  }

  ahead(partition: number): number {
    return (this.produced[partition] ?? 0) - (this.consumed[partition] ?? 0)
  }

  consume(partition: number): void {
    this.consumed[partition] = (this.consumed[partition] ?? 0) + 1
    this.lastProgressAt = performance.now()
  }
}

async function produce(producer: TestProducer, options: DemoOptions, progress: Progress, signal: AbortSignal) {
  for (let i = 0; i < options.messages && !signal.aborted; i += 1) {
    const key = i % options.keys
    const partition = key % options.partitions
    while (progress.ahead(partition) >= MAX_AHEAD && !signal.aborted) await sleep(1)
    const value = `message ${i} of key ${key} `.padEnd(100, '.')
    await producer.send({ topic: TOPIC, partition, key: `key-${key}`, value })
    progress.produced[partition] = (progress.produced[partition] ?? 0) + 1
    // The consumer lives on the same thread.
    if (i % PRODUCE_CHUNK === 0) await sleep(0)
  }
  await producer.flush()
}

function picture(consumer: ParallelConsumer, progress: Progress, messages: number, startedAt: number): string[] {
  const stats = consumer.stats()
  const done = progress.consumed.reduce((sum, count) => sum + count, 0)
  const rate = done / ((performance.now() - startedAt) / 1000)
  const rows = stats.partitions.map((partition) => [
    `  partition ${partition.partition}`,
    `offset ${formatCount(Math.max(partition.committable, 0))}`,
    `lag ${formatCount(progress.ahead(partition.partition))}`,
    `gaps ${formatCount(partition.gaps)}`,
    `in flight ${formatCount(partition.inFlight)}`,
  ])
  const head = `${formatCount(done)} of ${formatCount(messages)} messages, ${formatCount(rate)} per second, `
  const tail = `${formatCount(stats.executingLanes)} of ${formatCount(stats.lanes)} lanes at work`
  return [head + tail, ...formatTable(rows).split('\n')]
}

/** Closes the consumer when everything has been processed; fails when nothing moves any more. */
async function watch(consumer: ParallelConsumer, progress: Progress, options: DemoOptions, ended: AbortSignal) {
  const block = new LiveBlock()
  const startedAt = performance.now()
  const isDone = () => progress.consumed.reduce((sum, count) => sum + count, 0) >= options.messages
  for (let lastDraw = 0; !isDone() && !ended.aborted; await sleep(5)) {
    const now = performance.now()
    if (now - progress.lastProgressAt > STALL_MS) {
      throw new LanewayError('TIMED_OUT', `no message was processed for ${STALL_MS / 1000} seconds`)
    }
    if (options.json || now - lastDraw < DRAW_MS) continue
    lastDraw = now
    block.draw(picture(consumer, progress, options.messages, startedAt))
  }
  if (!options.json) block.draw(picture(consumer, progress, options.messages, startedAt))
}

async function consume(bootstrap: string, options: DemoOptions, ledger: Ledger, progress: Progress): Promise<number> {
  const consumer = new ParallelConsumer({
    kafka: { 'bootstrap.servers': bootstrap, 'group.id': 'demo' },
    topics: [TOPIC],
    order: options.order,
    concurrency: options.concurrency,
    commitInterval: 250,
  })
  await using producer = new TestProducer({ 'bootstrap.servers': bootstrap, 'linger.ms': '5' })
  const stop = new AbortController()
  const startedAt = performance.now()
  const running = consumer.run((message, { attempt }) => {
    ledger.start(message, attempt)
    const finish = () => {
      ledger.end(message)
      progress.consume(message.partition)
    }
    return options.workMs === 0 ? finish() : sleep(options.workMs).then(finish)
  })
  running.catch(() => stop.abort())
  const produced = produce(producer, options, progress, stop.signal)
  try {
    await Promise.all([produced, watch(consumer, progress, options, stop.signal)])
  } finally {
    stop.abort()
    await consumer.close()
  }
  const durationMs = performance.now() - startedAt
  await running
  return durationMs
}

async function runDemo(options: DemoOptions): Promise<DemoSummary> {
  using broker = new MockBroker()
  broker.createTopic(TOPIC, options.partitions)
  const ledger = new Ledger(options.order)
  const progress = new Progress(options.partitions)
  const onCommitted = (event: unknown) => {
    const { partitions } = event as { partitions: readonly { partition: number; offset: number }[] }
    for (const { partition, offset } of partitions) progress.committed[`${TOPIC}/${partition}`] = offset
  }
  subscribe('laneway:committed', onCommitted)
  try {
    const durationMs = await consume(broker.bootstrapServers, options, ledger, progress)
    return {
      messages: options.messages,
      processed: ledger.processed,
      durationMs: Math.round(durationMs),
      messagesPerSecond: Math.round(ledger.processed / (durationMs / 1000)),
      inversions: ledger.inversions,
      lost: options.messages - ledger.distinct,
      duplicates: ledger.duplicates,
      committed: progress.committed,
    }
  } finally {
    unsubscribe('laneway:committed', onCommitted)
  }
}

function report(summary: DemoSummary): string {
  const verdict =
    summary.lost + summary.inversions + summary.duplicates === 0 ? 'every promise kept' : 'NOT AS PROMISED'
  return formatTable([
    ['processed', `${formatCount(summary.processed)} of ${formatCount(summary.messages)}`],
    [
      'duration',
      `${formatCount(summary.durationMs)} ms, ${formatCount(summary.messagesPerSecond)} messages per second`,
    ],
    ['inversions', formatCount(summary.inversions)],
    ['lost', formatCount(summary.lost)],
    ['duplicates', formatCount(summary.duplicates)],
    [
      'committed',
      Object.entries(summary.committed)
        .sort()
        .map(([at, offset]) => `${at}: ${offset}`)
        .join(', '),
    ],
    ['', verdict],
  ])
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('Consume in parallel, in key order, from an embedded broker, and check it with a ledger.')
    .option('--messages <n>', 'messages to produce and consume', wholeNumber(1, 100_000_000), 100_000)
    .option('--keys <n>', 'distinct keys', wholeNumber(1, 10_000_000), 1_000)
    .option('--partitions <n>', 'partitions of the topic', wholeNumber(1, 100), 4)
    .addOption(
      new Option('--order <order>', 'what is kept in order').choices(['key', 'partition', 'none']).default('key'),
    )
    .option('--work-ms <n>', 'how long the handler waits for each message', wholeNumber(0, 3_600_000), 0)
    .option('--concurrency <n>', 'lanes executed at once', wholeNumber(1, 100_000), 256)
    .option('--json', 'print the summary as one JSON document', false)
    .action(async (options: DemoOptions) => {
      const summary = await runDemo(options)
      if (options.json) writeJson(summary)
      else process.stdout.write(`\n${report(summary)}\n`)
      if (summary.lost + summary.inversions + summary.duplicates > 0) process.exitCode = 1
    })
}
