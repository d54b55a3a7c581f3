/**
 * What one environment (the main thread of a process, or a worker thread) does with a consumer in the life-cycle tests:
 * run as a worker thread with a `Life` as its data, or as a process with it, as JSON, as its argument. It tells each
 * step in one word, so that the test can wait for it: 'consuming' after the first message, 'done' after the last.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type Logger, ParallelConsumer } from 'laneway'

export interface Life {
  readonly servers: string
  readonly topic: string
  readonly group: string
  /** Close after so many messages; 0: go on until something else ends this environment. */
  readonly closeAfter: number
  /** What happens in the middle of consuming, with handlers that still run; 'unused': consumers are made, never run. */
  readonly ending?: 'exit' | 'throw' | 'unused'
}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export function consumerOf({ servers, topic, group }: Pick<Life, 'servers' | 'topic' | 'group'>): ParallelConsumer {
  return new ParallelConsumer({
    kafka: {
      'bootstrap.servers': servers,
      'group.id': group,
      // The mock waits the session timeout less a second for a group's next member after the last one has left.
      'session.timeout.ms': 1_500,
      'heartbeat.interval.ms': 300,
    },
    topics: [topic],
    commitInterval: 20,
    concurrency: 16,
    logger: silent,
  })
}

const unused: ParallelConsumer[] = []

async function live(life: Life, tell: (step: string) => void): Promise<void> {
  if (life.ending === 'unused') {
    for (let i = 0; i < 5; i += 1) unused.push(consumerOf(life))
    return tell('consuming nothing')
  }
  const consumer = consumerOf(life)
  let handled = 0
  await consumer.run(async ({ value }) => {
    if (handled === 0) tell('consuming')
    handled += 1
    if (life.ending === 'exit') process.exit(0)
    if (life.ending === 'throw') setImmediate(() => failWith(new Error('the end of this life')))
    await sleep(1)
    if (value === null) throw new Error('the value was there when it was sent')
    if (handled === life.closeAfter) void consumer.close()
  })
  tell('done')
}

function failWith(error: Error): never {
  throw error
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  await live(workerData as Life, (step) => port.postMessage(step))
} else if (process.argv[1] === import.meta.filename) {
  await live(JSON.parse(process.argv[2] ?? '') as Life, (step) => process.stdout.write(`${step}\n`))
}
