/**
 * `laneway consume`: the main job on a real broker, with a handler from a user's module, until a signal or idleness ends
 * it. It only sets up what a program of the user's own would: what it does beyond the façade is to know when it is idle.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Command, Option } from 'commander'
import { ParallelConsumer } from '../consumer.js'
import { LanewayError } from '../errors.js'
import type { Handler } from '../ports/engine.js'
import type { Order } from './ledger.js'
import { collect, property, wholeNumber } from './options.js'
import { formatCount, formatTable, LiveBlock, writeJson } from './terminal.js'

interface ConsumeOptions {
  readonly brokers: string
  readonly group: string
  readonly topic: string[]
  readonly order: Order
  readonly concurrency: number
  readonly maxAttempts: number
  readonly handler: string
  readonly untilIdle?: number
  readonly property: Readonly<Record<string, string>>
  readonly json: boolean
}

const LOOK_MS = 100
/** Joining a group takes seconds, longer where another member has just gone: that is not idleness. */
const JOIN_MS = 60_000

async function loadHandler(file: string): Promise<Handler> {
  let module: { readonly default?: unknown }
  try {
    module = await import(pathToFileURL(resolve(file)).href)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new LanewayError('HANDLER_MODULE_INVALID', `${file} cannot be loaded: ${reason}`, { cause })
  }
  const handler = module.default
  if (typeof handler === 'function') return handler as Handler
  throw new LanewayError('HANDLER_MODULE_INVALID', `${file} has no function as its default export`)
}

/** Resolves when the group has let this member in and every partition has been read once, or `ended` fires. */
async function untilReading(consumer: ParallelConsumer, assigned: AbortSignal, ended: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + JOIN_MS
  const isReading = () => assigned.aborted && consumer.stats().partitions.every(({ logEnd }) => logEnd >= 0)
  while (!ended.aborted && !isReading()) {
    if (performance.now() > giveUpAt) {
      const what = assigned.aborted ? 'a partition could not be read' : 'the group did not let this member in'
      throw new LanewayError('TIMED_OUT', `${what} within ${JOIN_MS / 1000} seconds`)
    }
    await sleep(LOOK_MS)
  }
}

/** Resolves when no message has come or ended for `idleMs`, or `ended` fires. */
async function untilIdle(consumer: ParallelConsumer, idleMs: number, ended: AbortSignal): Promise<void> {
  let last = ''
  let since = performance.now()
  while (!ended.aborted && performance.now() - since < idleMs) {
    await sleep(Math.min(LOOK_MS, idleMs))
    const { delivered, settled, inFlight, bufferedMessages } = consumer.stats()
    const now = `${delivered} ${settled}`
    if (now !== last || inFlight > 0 || bufferedMessages > 0) since = performance.now()
    last = now
  }
}

function watchSignals(stop: () => void): () => void {
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return () => process.off('SIGINT', stop).off('SIGTERM', stop)
}

async function runConsume(options: ConsumeOptions) {
  const handler = await loadHandler(options.handler)
  let failed = 0
  const consumer = new ParallelConsumer({
    kafka: { ...options.property, 'bootstrap.servers': options.brokers, 'group.id': options.group },
    topics: options.topic,
    order: options.order,
    concurrency: options.concurrency,
    retry: { maxAttempts: options.maxAttempts },
  })
  const ended = new AbortController()
  const assigned = new AbortController()
  const onAssigned = () => assigned.abort()
  subscribe('laneway:assigned', onAssigned)
  const unwatch = watchSignals(() => ended.abort())
  const startedAt = performance.now()
  const running = consumer.run(async (message, context) => {
    try {
      await handler(message, context)
    } catch (error) {
      failed += 1
      throw error
    }
  })
  const over = running.then(
    () => ended.abort(),
    () => ended.abort(),
  )
  const block = new LiveBlock()
  const drawing = setInterval(() => {
    if (options.json) return
    const { settled, lanes, executingLanes, inFlight } = consumer.stats()
    const rate = settled / ((performance.now() - startedAt) / 1000)
    const lines = `${formatCount(settled)} messages, ${formatCount(rate)} per second, ${executingLanes} of ${lanes} lanes`
    block.draw([`${lines} at work, ${inFlight} in flight`])
  }, 1_000)
  try {
    if (options.untilIdle !== undefined) {
      await untilReading(consumer, assigned.signal, ended.signal)
      await untilIdle(consumer, options.untilIdle, ended.signal)
    } else if (!ended.signal.aborted) await new Promise((wake) => ended.signal.addEventListener('abort', wake))
  } finally {
    clearInterval(drawing)
    unsubscribe('laneway:assigned', onAssigned)
    unwatch()
    await consumer.close()
    await over
  }
  await running
  const { settled, skippedSettled } = consumer.stats()
  return {
    processed: settled,
    failedAttempts: failed,
    skippedSettled,
    durationMs: Math.round(performance.now() - startedAt),
  }
}

export function addConsume(program: Command): void {
  program
    .command('consume')
    .description('Run a handler module for the messages of a topic. SIGINT and SIGTERM drain and end it.')
    .requiredOption('--brokers <list>', 'bootstrap servers, comma-separated')
    .requiredOption('--group <id>', 'consumer group')
    .requiredOption('--topic <name>', 'topic; may be given several times', collect)
    .requiredOption('--handler <file>', 'module whose default export is the handler: (message, { signal, attempt })')
    .addOption(
      new Option('--order <order>', 'what is kept in order').choices(['key', 'partition', 'none']).default('key'),
    )
    .option('--concurrency <n>', 'lanes executed at once', wholeNumber(1, 100_000), 256)
    .option('--max-attempts <n>', 'attempts for each message before the command fails', wholeNumber(1, 65_535), 5)
    .option('--until-idle <ms>', 'end when nothing has come for so long', wholeNumber(1, 86_400_000))
    .option('-X, --property <name=value>', 'librdkafka property; may be given several times', property, {})
    .option('--json', 'print the summary as one JSON document', false)
    .action(async (options: ConsumeOptions) => {
      const summary = await runConsume(options)
      if (options.json) writeJson(summary)
      else
        process.stdout.write(`${formatTable(Object.entries(summary).map(([name, value]) => [name, String(value)]))}\n`)
    })
}
