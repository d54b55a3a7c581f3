/** A post is held by one worker at a time, whatever becomes of them; the clock is the test's. */
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Holder, Post, type PostOptions } from '../../ts/engines/worker-threads/post.js'

const test = suite('post')
const OPTIONS: PostOptions = { delay: (lost) => 100 * lost, healthyAfterMs: 5_000, startTimeoutMs: 2_000, graceMs: 10 }
const END = { why: 'it ended', cause: new Error('the cause'), ran: [] }

class Worker implements Holder {
  age: number | undefined
  readonly heard: string[] = []
  drained: () => void = () => undefined

  drain(): Promise<void> {
    this.heard.push('drain')
    return new Promise((resolve) => {
      this.drained = resolve
    })
  }

  async abort(): Promise<void> {
    this.heard.push('abort')
  }

  terminate(): void {
    this.heard.push('terminate')
  }
}

/** A post with what it asks of its host. */
class Office {
  readonly workers: Worker[] = []
  readonly delays: unknown[] = []
  readonly givenUp: string[] = []
  readonly post: Post<Worker>

  constructor() {
    this.post = new Post<Worker>(
      {
        hire: () => {
          const worker = new Worker()
          this.workers.push(worker)
          return worker
        },
        giveUp: (why) => this.givenUp.push(why),
        warn: (_, { delayMs }) => this.delays.push(delayMs),
      },
      OPTIONS,
    )
  }

  worker(index: number): Worker {
    const worker = this.workers[index]
    assert.ok(worker, `worker ${index} was not hired`)
    return worker
  }

  ready(index: number, age = 0): Worker {
    const worker = this.worker(index)
    worker.age = age
    this.post.ready(worker)
    return worker
  }

  lost(index: number): void {
    this.post.ended(this.worker(index), END)
  }
}

test.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }))
test.after.each(() => mock.timers.reset())

test('a lost worker is replaced after a delay that grows, until one has served for a while', () => {
  const office = new Office()
  for (let i = 0; i < 3; i += 1) {
    office.ready(i)
    office.lost(i)
    mock.timers.tick(100 * (i + 1) - 1)
    assert.is(office.workers.length, i + 1)
    mock.timers.tick(1)
    assert.is(office.workers.length, i + 2)
  }
  office.ready(3, OPTIONS.healthyAfterMs)
  office.lost(3)
  assert.equal(office.delays, [100, 200, 300, 100])
  assert.equal(office.givenUp, [])
})

test('a worker that is not ready in time is terminated', () => {
  const office = new Office()
  mock.timers.tick(1_999)
  assert.equal(office.worker(0).heard, [])
  mock.timers.tick(1)
  assert.equal(office.worker(0).heard, ['terminate'])
})

test('a worker that is ready in time is not', () => {
  const office = new Office()
  office.ready(0)
  mock.timers.tick(10_000)
  assert.equal(office.worker(0).heard, [])
})

test('when ten in a row were never ready the post is given up', () => {
  const office = new Office()
  for (let i = 0; i < 10; i += 1) {
    assert.equal(office.givenUp, [])
    office.lost(i)
    mock.timers.tick(10_000)
  }
  assert.equal(office.givenUp, ['it ended before it was ready'])
  assert.is(office.workers.length, 10)
})

test('a worn worker drains when its successor is ready, and ends when it has drained', async () => {
  const office = new Office()
  const first = office.ready(0)
  office.post.worn(first)
  assert.is(office.workers.length, 2)
  assert.equal(first.heard, [])
  office.ready(1)
  assert.equal(first.heard, ['drain'])
  assert.equal(office.post.lives, [office.worker(1), first])
  first.drained()
  await Promise.resolve()
  assert.equal(first.heard, ['drain', 'abort'])
  office.lost(0)
  assert.equal(office.post.lives, [office.worker(1)])
  assert.equal(office.delays, [])
})

test('a successor that wears out waits until the one before it has gone', () => {
  const office = new Office()
  office.post.worn(office.ready(0))
  office.post.worn(office.ready(1))
  assert.is(office.workers.length, 2)
  office.lost(0)
  assert.is(office.workers.length, 3)
})

test('a worn worker that is lost before its successor is ready is not replaced twice', () => {
  const office = new Office()
  office.post.worn(office.ready(0))
  office.lost(0)
  mock.timers.tick(1_000)
  assert.is(office.workers.length, 2)
  office.ready(1)
  assert.equal(office.post.lives, [office.worker(1)])
})

test('a closed post replaces nobody', () => {
  const office = new Office()
  const first = office.ready(0)
  office.post.close()
  office.post.worn(first)
  office.lost(0)
  mock.timers.tick(10_000)
  assert.is(office.workers.length, 1)
})

test('a post that is closed while it waits for its next worker gets none', () => {
  const office = new Office()
  office.ready(0)
  office.lost(0)
  office.post.close()
  mock.timers.tick(10_000)
  assert.is(office.workers.length, 1)
})

test.run()
