/**
 * What the tests of exactly once share: a handler that turns messages into outputs and fails at random, a process of its
 * own that runs it (to be killed), and a reader that trusts nobody: a plain consumer of another group, which sees what
 * any `read_committed` reader sees.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import * as assert from 'uvu/assert'
import type { ParallelConsumerOptions } from '../../ts/config.js'
import { DeadLetterMessage } from '../../ts/outcomes.js'
import type { Handler } from '../../ts/ports/engine.js'
import type { Logger } from '../../ts/ports/logger.js'
import { TestProducer } from '../../ts/testing/index.js'
import type { Broker } from '../broker/broker.js'
import { type Filling, group, newLedger, until, Watched } from './support.js'

/** What a failed attempt sends, and nobody may ever see. */
const OF_A_FAILED_ATTEMPT = 'of a failed attempt'
const SENTINEL = 'the end'
/** Some messages become dead letters. */
const DEAD_LETTER_EVERY = 97
const FAILURE_RATE = 0.1
const LONGEST_WORK_MS = 3
const FEED_BURST = 20
const FEED_PAUSE_MS = 20
const FEED_FLUSH_MS = 60_000

export const isDeadLetter = (value: number): boolean => value % DEAD_LETTER_EVERY === 0

/** Each message becomes one output, with its key, its value and its partition; some attempts fail after they have sent. */
export function transform(output: string): Handler {
  return async ({ key, value, partition }, { attempt, send }) => {
    const out = (text: string) => send({ topic: output, partition, key, value: text })
    const text = String(value)
    if (Math.random() < 0.2) await sleep(Math.random() * LONGEST_WORK_MS)
    if (isDeadLetter(Number(text))) {
      out(OF_A_FAILED_ATTEMPT)
      throw new DeadLetterMessage('every so often')
    }
    if (attempt <= 2 && Math.random() < FAILURE_RATE) {
      out(OF_A_FAILED_ATTEMPT)
      throw new Error('a failed attempt')
    }
    out(text)
  }
}

/** Failed attempts are meant; what ends a consumer is not. */
export const quietLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message, fields) => process.stderr.write(`${message} ${inspect(fields)}\n`),
}

type Settings = Partial<Omit<ParallelConsumerOptions, 'kafka'>> & { kafka?: Record<string, string | number | boolean> }

/** Options of a member that reads `topic`, in the group of that name, and dead-letters to `topic.dead`. */
export function member(broker: Broker, topic: string, id: string, settings: Settings = {}): ParallelConsumerOptions {
  return {
    topics: [topic],
    commitInterval: 50,
    retry: { maxAttempts: 5, delay: 5 },
    deadLetter: { topic: `${topic}.dead` },
    transactional: { id },
    logger: quietLogger,
    ...settings,
    kafka: { 'bootstrap.servers': broker.bootstrapServers, 'group.id': topic, ...settings.kafka },
  }
}

/** The topics of a test: `name`, `name.out` and `name.dead`. */
export async function createTopics(broker: Broker, name: string, partitions: number): Promise<void> {
  for (const topic of [name, `${name}.out`]) await broker.createTopic(topic, { partitions })
  await broker.createTopic(`${name}.dead`, { partitions: 1 })
}

/** Messages that keep coming, as fill() makes them, until the test has seen enough. */
export class Feed {
  readonly #running: Promise<void>
  #messages = 0
  #isStopped = false

  constructor(broker: Broker, filling: Omit<Filling, 'messages'>) {
    this.#running = this.#run(broker, filling)
    this.#running.catch(() => undefined)
  }

  /** @returns how many there are */
  async stop(): Promise<number> {
    this.#isStopped = true
    await this.#running
    return this.#messages
  }

  async #run(broker: Broker, { topic, keys, partitions }: Omit<Filling, 'messages'>): Promise<void> {
    await using producer = new TestProducer({
      'bootstrap.servers': broker.bootstrapServers,
      'enable.idempotence': 'true',
    })
    while (!this.#isStopped) {
      for (let i = 0; i < FEED_BURST; i += 1, this.#messages += 1) {
        const key = this.#messages % keys
        await producer.send({ topic, partition: key % partitions, key: `key-${key}`, value: `${this.#messages}` })
      }
      await sleep(FEED_PAUSE_MS)
    }
    await producer.flush(FEED_FLUSH_MS)
  }
}

/** A member in a process of its own. */
export interface MemberProcess {
  readonly child: ChildProcess
  /** Messages handled so far, told every so often. */
  handled(): number
  /** The code of the error that ended it; '' where a signal did or it was closed. */
  readonly ended: Promise<string>
}

export function startMember(options: ParallelConsumerOptions, output: string): MemberProcess {
  const program = new URL('./exactly-once-member.js', import.meta.url).pathname
  const child = spawn(process.execPath, ['--enable-source-maps', program, JSON.stringify({ options, output })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let handled = 0
  let code = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.trimEnd().split('\n')) {
      if (/^\d+$/.test(line)) handled = Number(line)
      else code = line
    }
  })
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(code))
  })
  return { child, handled: () => handled, ended }
}

/** Waits until everything in the topic is settled and committed. */
export async function allCommitted(broker: Broker, topic: string, partitions: number, deadlineMs = 120_000) {
  const isDone = async () => {
    const committed = await group(broker, topic).catch(() => [])
    return committed.length === partitions && committed.every(({ offset, logEnd }) => offset === logEnd)
  }
  await until(`all of ${topic} to be committed`, isDone, deadlineMs)
}

export interface Seen {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: string
}

/** All that is committed in a topic, in the order of each partition. */
export async function readCommitted(broker: Broker, topic: string, partitions: number): Promise<Seen[]> {
  const end = `${SENTINEL} ${randomUUID()}`
  await using producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  for (let partition = 0; partition < partitions; partition += 1) {
    await producer.send({ topic, partition, key: null, value: end })
  }
  await producer.flush()
  const seen: Seen[] = []
  let ends = 0
  const options = {
    kafka: { 'bootstrap.servers': broker.bootstrapServers, 'group.id': `reader ${randomUUID()}` },
    topics: [topic],
    order: 'partition' as const,
  }
  await using _reader = new Watched(options, newLedger('none'), ({ partition, offset, key, value }) => {
    const text = String(value)
    if (text === end) ends += 1
    else if (!text.startsWith(SENTINEL)) seen.push({ partition, offset, key: String(key), value: text })
  })
  await until(`the end of ${topic}`, () => ends === partitions)
  return seen
}

/** Every message became its output or its dead letter, once, and outputs are in the order of their key. */
export async function assertExactlyOnce(broker: Broker, { topic, messages, partitions }: Filling): Promise<void> {
  const outputs = await readCommitted(broker, `${topic}.out`, partitions)
  const wanted = Array.from({ length: messages }, (_, i) => i)
  assert.is(outputs.filter(({ value }) => value === OF_A_FAILED_ATTEMPT).length, 0, 'of failed attempts')
  assertSame(
    'outputs',
    outputs.map(({ value }) => Number(value)),
    wanted.filter((i) => !isDeadLetter(i)),
  )
  const last = new Map<string, number>()
  for (const { key, value } of outputs) {
    const before = last.get(key) ?? -1
    assert.ok(Number(value) > before, `${key}: ${value} after ${before}`)
    last.set(key, Number(value))
  }
  const letters = await readCommitted(broker, `${topic}.dead`, 1)
  assertSame(
    'dead letters',
    letters.map(({ value }) => Number(value)),
    wanted.filter(isDeadLetter),
  )
}

/** The same numbers, each as often; says how many are missing and how many too many. */
function assertSame(what: string, got: readonly number[], wanted: readonly number[]): void {
  const times = new Map<number, number>()
  for (const each of got) times.set(each, (times.get(each) ?? 0) + 1)
  const missing = wanted.filter((each) => !times.has(each))
  const repeated = [...times].filter(([, count]) => count > 1).map(([each]) => each)
  assert.equal({ missing, repeated, count: got.length }, { missing: [], repeated: [], count: wanted.length }, what)
}
