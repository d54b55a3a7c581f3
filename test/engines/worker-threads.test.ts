/** Worker threads against the embedded broker: order, failures, lost workers, fences, recycling, and every way to stop. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  LanewayError,
  type Logger,
  ParallelConsumer,
  type ParallelConsumerOptions,
  type WorkerThreadsOptions,
  workerThreads,
} from 'laneway'
import { MockBroker, TestProducer } from 'laneway/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Line, Told } from './told-handler.js'

interface Setting {
  broker: MockBroker
  folder: string
  topics: number
}

const test = suite<Setting>('worker threads', { broker: undefined as never, folder: '', topics: 0 })

test.before((setting) => {
  setting.broker = new MockBroker()
  setting.folder = mkdtempSync(join(tmpdir(), 'laneway-threads-'))
})

test.after(({ broker, folder }) => {
  broker.close()
  rmSync(folder, { recursive: true })
})

const TOLD = new URL('./told-handler.js', import.meta.url)
const DEADLINE_MS = 60_000
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

interface Sent {
  readonly key: string
  readonly told: Told
}

type ConsumerOptions = Omit<Partial<ParallelConsumerOptions>, 'kafka' | 'topics' | 'engine'>

/** One consumer on worker threads, its messages, and what its handlers have written down. */
class Run {
  readonly consumer: ParallelConsumer
  readonly topic: string
  readonly #ledger: string
  running: Promise<unknown> = Promise.resolve()

  private constructor(
    { broker, folder }: Setting,
    topic: string,
    engine: Partial<WorkerThreadsOptions>,
    options: ConsumerOptions,
  ) {
    this.topic = topic
    this.#ledger = join(folder, topic)
    const kafka = {
      'bootstrap.servers': broker.bootstrapServers,
      'group.id': `group-of-${topic}`,
      // The mock waits the session timeout less a second for a group's next member after the last one has left.
      'session.timeout.ms': 1_500,
      'heartbeat.interval.ms': 300,
    }
    this.consumer = new ParallelConsumer({
      kafka,
      topics: [topic],
      commitInterval: 20,
      logger: silent,
      retry: { delay: 1 },
      ...options,
      engine: workerThreads({
        module: TOLD,
        threads: 2,
        data: { ledger: this.#ledger },
        restart: { initial: 1, max: 10 },
        ...engine,
      }),
    })
  }

  static async of(
    setting: Setting,
    messages: readonly Sent[],
    engine: Partial<WorkerThreadsOptions> = {},
    options: ConsumerOptions = {},
  ): Promise<Run> {
    setting.topics += 1
    const topic = `topic-${setting.topics}`
    setting.broker.createTopic(topic, 2)
    await using producer = new TestProducer({ 'bootstrap.servers': setting.broker.bootstrapServers })
    for (const { key, told } of messages) await producer.send({ topic, key, value: JSON.stringify(told) })
    await producer.flush()
    return new Run(setting, topic, engine, options)
  }

  start(): this {
    this.running = this.consumer.run().then(
      () => undefined,
      (error: unknown) => error,
    )
    return this
  }

  get lines(): Line[] {
    try {
      const text = readFileSync(this.#ledger, 'utf8')
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line)
    } catch {
      return []
    }
  }

  async until(condition: () => boolean): Promise<void> {
    const giveUpAt = performance.now() + DEADLINE_MS
    while (!condition()) {
      if (performance.now() > giveUpAt) assert.unreachable(`not within ${DEADLINE_MS} ms: ${String(condition)}`)
      await sleep(5)
    }
  }

  /** Resolves when so many messages are settled and the consumer is closed; what run() rejected with, where it did. */
  async settle(count: number): Promise<unknown> {
    this.start()
    let failed = false
    void this.running.then((error) => {
      failed = error !== undefined
    })
    await this.until(() => failed || this.consumer.stats().settled >= count)
    await this.consumer.close()
    return this.running
  }
}

const keyed = (count: number, keys: number, told: (i: number) => Told): Sent[] =>
  Array.from({ length: count }, (_, i) => ({ key: `key ${i % keys}`, told: told(i) }))

test('every message is handled once, each key in its order, on more than one thread', async (setting) => {
  const run = await Run.of(
    setting,
    keyed(600, 30, () => ({ spinMs: 0.2 })),
  )
  assert.is(await run.settle(600), undefined)
  const running = new Map<string | null, number>()
  const last = new Map<string | null, number>()
  for (const { event, key, offset } of run.lines) {
    if (event === 'start') {
      assert.is(running.get(key), undefined, 'two at once')
      assert.ok(offset > (last.get(key) ?? -1), 'out of order')
      running.set(key, offset)
      last.set(key, offset)
    } else running.delete(key)
  }
  const ends = run.lines.filter(({ event }) => event === 'end')
  assert.is(ends.length, 600)
  assert.is(new Set(ends.map(({ thread }) => thread)).size, 2)
})

for (const crash of ['exit', 'throw', 'reject', 'memory'] as const) {
  test(`a worker that is lost (${crash}): what ran is a failed attempt, and everything is settled`, async (setting) => {
    const failures: unknown[] = []
    const messages = [
      ...keyed(40, 10, () => ({})),
      { key: 'bad', told: { crash, until: 3 } },
      ...keyed(40, 10, () => ({})),
    ]
    const run = await Run.of(
      setting,
      messages,
      { resourceLimits: { maxOldGenerationSizeMb: 32 } },
      {
        retry: {
          delay: 1,
          retryable: (error, { message }) => {
            if (String(message.key) === 'bad') failures.push(LanewayError.is(error) && error.code)
            return true
          },
        },
      },
    )
    assert.is(await run.settle(messages.length), undefined)
    assert.equal(failures, ['WORKER_LOST', 'WORKER_LOST'])
    const attempts = run.lines
      .filter(({ key, event }) => key === 'bad' && event === 'start')
      .map(({ attempt }) => attempt)
    assert.equal(attempts, [1, 2, 3])
  })
}

test('a module that cannot be loaded ends run()', async (setting) => {
  const run = await Run.of(
    setting,
    keyed(1, 1, () => ({})),
    { module: '/no/such/module.js' },
  )
  const error = await run.settle(1)
  assert.ok(LanewayError.is(error))
  assert.is(error.code, 'HANDLER_MODULE_INVALID')
})

test.run()
