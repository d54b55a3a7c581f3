/**
 * One member of the group: a process with one ParallelConsumer, whose handler writes its ledger before and after.
 *
 * SIGTERM closes it in an orderly way, SIGINT without waiting for its handlers; it says on stdout when it listens to them.
 * It also ends when its standard input does, that is when the driver is gone. It must not judge anything.
 */
import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ParallelConsumer } from '../ts/consumer.js'
import { processes } from '../ts/engines/processes.js'
import { workerThreads } from '../ts/engines/worker-threads.js'
import { LanewayError } from '../ts/errors.js'
import type { RawEvent } from '../ts/native.js'
import type { Engine, HandlerContext, Message } from '../ts/ports/engine.js'
import { EpochEngine } from './epoch-engine.js'
import { LedgerWriter } from './ledger.js'
import {
  CLOSE_TIMEOUT_MS,
  COMMIT_INTERVAL_MS,
  MAX_POLL_INTERVAL_MS,
  type MemberOrder,
  memberOrder,
  PROTOCOLS,
  REBALANCE_TIMEOUT_MS,
} from './settings.js'
import { PlannedFailure } from './worker-handler.js'
import { workOf } from './workload.js'

const CONCURRENCY = 64
/** More than any handler's failures: the chaos is about the group, not about retries that run out. */
const MAX_ATTEMPTS = 20
const RETRY_DELAY_MS = 15
const WORKERS = 2
/** Crashes are many here, and a member without workers is no test. */
const RESTART = { initial: 20, max: 500 }
/** A consumer whose run() ended by itself and whose close() hangs must not hide it. */
const DRIVER_GONE = 3
const RUN_FAILED = 1

/** The events of the consumer's channels that belong into the ledger. */
function recordEvents(ledger: LedgerWriter): void {
  const record = (event: RawEvent): void => {
    switch (event.kind) {
      case 'assigned':
        ledger.write({
          event: 'assigned',
          partitions: event.partitions.map(({ partition, epoch, committed, settledAbove, format }) => {
            return { partition, epoch, committed, settledAbove, format }
          }),
        })
        return
      case 'revoked':
        ledger.write({
          event: 'revoked',
          lost: event.lost,
          partitions: event.partitions.map(({ partition }) => partition),
        })
        return
      case 'committed':
        ledger.write({
          event: 'committed',
          partitions: event.partitions.map(({ partition, offset }) => ({ partition, offset })),
        })
        return
      case 'warning':
        ledger.write({ event: 'warning', code: event.code, kafkaError: event.kafkaError, message: event.message })
    }
  }
  for (const kind of ['assigned', 'revoked', 'committed', 'warning']) {
    subscribe(`laneway:${kind}`, (event) => record(event as RawEvent))
  }
}

class Handlers {
  readonly #ledger: LedgerWriter
  readonly #engine: EpochEngine
  readonly #seed: number
  #runs = 0

  constructor(ledger: LedgerWriter, engine: EpochEngine, seed: number) {
    this.#ledger = ledger
    this.#engine = engine
    this.#seed = seed
  }

  /** Synchronous where the work takes no time, so that both ways of an engine are met. */
  handle(message: Message, { attempt }: HandlerContext): void | Promise<void> {
    const { topic, partition, offset } = message
    const { epoch, taken } = this.#engine.originOf(message)
    this.#runs += 1
    const key = message.key?.toString('latin1') ?? null
    const value = message.value?.toString('latin1') ?? ''
    const run = { topic, partition, offset, key, value, epoch, attempt, run: this.#runs, taken }
    this.#ledger.write({ event: 'start', ...run })
    const { durationMs, fails } = workOf(this.#seed, partition, offset, attempt)
    const end = (): void => {
      this.#ledger.write({ event: fails ? 'failed' : 'end', ...run })
      if (fails) throw new PlannedFailure('planned')
    }
    return durationMs === 0 ? end() : sleep(durationMs).then(end)
  }
}

/** Its handlers are elsewhere, and write ledgers of their own. */
function engineWithWorkers({ engine, member, ledger, seed }: MemberOrder): Engine | undefined {
  const order = { member, ledger, seed }
  switch (engine) {
    case 'inline':
      return undefined
    case 'worker-threads': {
      const module = new URL('./worker-handler.js', import.meta.url)
      return workerThreads({ module, threads: WORKERS, data: order, restart: RESTART })
    }
    case 'processes': {
      const program = fileURLToPath(new URL('./worker.js', import.meta.url))
      const args = ['--enable-source-maps', program, JSON.stringify(order)]
      return processes({
        command: process.execPath,
        args,
        count: WORKERS,
        restart: RESTART,
        killAfter: CLOSE_TIMEOUT_MS,
      })
    }
  }
}

/** librdkafka tells of it in its log alone. */
function recordSessionTimeout(message: string, ledger: LedgerWriter): void {
  const silentMs = message.match(/^SESSTMOUT: .* after (\d+) ms without a successful response/)?.[1]
  if (silentMs !== undefined) ledger.write({ event: 'session-timed-out', silentMs: Number(silentMs) })
}

function makeConsumer(order: MemberOrder, engine: Engine, ledger: LedgerWriter): ParallelConsumer {
  return new ParallelConsumer({
    kafka: {
      ...PROTOCOLS[order.protocol],
      'bootstrap.servers': order.bootstrapServers,
      'group.id': order.group,
      // The proxy tells members apart by it.
      'client.id': order.member,
      'max.poll.interval.ms': MAX_POLL_INTERVAL_MS,
      'socket.timeout.ms': 10_000,
      'reconnect.backoff.ms': 50,
      'reconnect.backoff.max.ms': 500,
    },
    topics: [order.topic],
    order: 'key',
    concurrency: CONCURRENCY,
    maxBufferedMessages: 4_000,
    commitInterval: COMMIT_INTERVAL_MS,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    closeTimeout: CLOSE_TIMEOUT_MS,
    retry: { maxAttempts: MAX_ATTEMPTS, delay: RETRY_DELAY_MS },
    logger: {
      debug: () => undefined,
      info: (message) => log('info', message),
      // Every planned failure would be one.
      warn: (message, fields) => {
        recordSessionTimeout(message, ledger)
        if (fields?.['attempt'] === undefined) log('warn', message)
      },
      error: (message, fields) => log('error', `${message} ${String(fields?.['error'] ?? '')}`),
    },
    engine,
  })
}

function log(level: string, message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${level} ${message}\n`)
}

function closeOnSignal(consumer: ParallelConsumer, ledger: LedgerWriter): void {
  const close = (mode: 'drain' | 'abort'): void => {
    ledger.write({ event: 'closing', mode, deadlineMs: mode === 'drain' ? CLOSE_TIMEOUT_MS : 0 })
    // What fails shows in run().
    consumer.close({ mode }).catch(() => undefined)
  }
  process.once('SIGTERM', () => close('drain'))
  process.once('SIGINT', () => close('abort'))
  process.stdin.on('end', () => process.exit(DRIVER_GONE))
  process.stdin.resume()
}

async function main(): Promise<number> {
  const order = memberOrder.parse(JSON.parse(process.argv[2] ?? ''))
  const ledger = new LedgerWriter(order.ledger)
  ledger.write({ event: 'opened', member: order.member, pid: process.pid })
  const watched = new EpochEngine(() => consumer.stats())
  const engine = engineWithWorkers(order)
  const consumer = makeConsumer(order, engine ?? watched, ledger)
  const handlers = new Handlers(ledger, watched, order.seed)
  recordEvents(ledger)
  closeOnSignal(consumer, ledger)
  process.stdout.write('ready\n')
  try {
    await consumer.run(engine === undefined ? (message, context) => handlers.handle(message, context) : undefined)
    ledger.write({ event: 'ended' })
    return 0
  } catch (error) {
    log('error', String(error))
    const code = LanewayError.is(error) ? error.code : 'UNTYPED'
    ledger.write({ event: 'ended', code, message: String(error) })
    return RUN_FAILED
  }
}

process.exit(await main())
