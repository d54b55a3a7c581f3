/** The inline engine keeps the order of a run, settles everything once, yields, and stops as it is told. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Engine, type Handler, type HandlerContext, inline } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runOf, ScriptedHost } from './scripted-taker.js'

const COMPLETED = 0
const RETRIED = 1
const RELEASED = 4
const DEADLINE_MS = 10_000

interface Started {
  readonly engine: Engine
  readonly host: ScriptedHost
}

function start(handler: Handler, settlementCapacity?: number): Started {
  const host = new ScriptedHost(handler, settlementCapacity)
  const engine = inline()
  engine.start(host)
  return { engine, host }
}

/** Handlers that end when the test says so. */
class Gate {
  readonly started: number[] = []
  readonly #ends = new Map<number, (error?: Error) => void>()

  readonly handler: Handler = ({ offset }) => {
    this.started.push(offset)
    return new Promise<void>((resolve, reject) => {
      this.#ends.set(offset, (error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  end(offset: number, error?: Error): void {
    this.#ends.get(offset)?.(error)
  }
}

const slotsWith = (host: ScriptedHost, outcome: number): number[] =>
  host.settled.filter((each) => each.outcome === outcome).map(({ slot }) => slot)

test('a synchronous handler sees every message once, in order, and all are settled', async () => {
  const seen: number[] = []
  const { engine, host } = start(({ offset }) => {
    seen.push(offset)
  })
  host.offer(runOf(0, 1, 2, 3), runOf(1, 10, 11))
  host.offer(runOf(0, 4))
  await host.settledCount(6)
  assert.equal(seen, [1, 2, 3, 10, 11, 4])
  assert.equal(slotsWith(host, COMPLETED), [1, 2, 3, 10, 11, 4])
  assert.equal(
    host.settled.map(({ lease }) => lease),
    [1, 2, 3, 4, 5, 6],
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a handler sees its message, its place and its attempt', async () => {
  let seen: unknown
  const { engine, host } = start((message, { attempt, signal }) => {
    seen = [message.topic, message.partition, message.offset, message.key?.toString(), attempt, signal.aborted]
  })
  host.offer({ partition: 5, messages: [{ offset: 8, key: 'k', attempt: 3 }] })
  await host.settledCount(1)
  assert.equal(seen, ['scripted', 5, 8, 'k', 3, false])
  await engine.stop('drain', DEADLINE_MS)
})

test('messages of one run never overlap; runs do', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler)
  host.offer(runOf(0, 1, 2), runOf(1, 10, 11))
  await nextTurn()
  await nextTurn()
  assert.equal(gate.started, [1, 10])
  gate.end(10)
  await host.settledCount(1)
  assert.equal(gate.started, [1, 10, 11])
  gate.end(1)
  await host.settledCount(2)
  assert.equal(gate.started, [1, 10, 11, 2])
  gate.end(2)
  gate.end(11)
  await host.settledCount(4)
  await engine.stop('drain', DEADLINE_MS)
})

test('what one asynchronous handler settles is not held back by another that still runs', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler)
  host.offer(runOf(0, 1), runOf(1, 10))
  await nextTurn()
  gate.end(10)
  await host.settledCount(1)
  assert.equal(slotsWith(host, COMPLETED), [10])
  gate.end(1)
  await host.settledCount(2)
  await engine.stop('drain', DEADLINE_MS)
})

test('handlers that end in one burst share one take', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler, 1_000)
  const offsets = Array.from({ length: 500 }, (_, i) => i)
  host.offer(...offsets.map((offset) => runOf(offset, offset)))
  while (gate.started.length < 500) await nextTurn()
  await nextTurn()
  const before = host.takes
  for (const offset of offsets) gate.end(offset)
  await host.settledCount(500)
  assert.is(host.takes, before + 1)
  await engine.stop('drain', DEADLINE_MS)
})

for (const [kind, fail] of [
  ['throws', () => failWith(new Error('no'))],
  ['rejects', () => Promise.reject(new Error('no'))],
] as const) {
  test(`a handler that ${kind} is retried after the delay; the later messages of its run are not started`, async () => {
    const seen: number[] = []
    const { engine, host } = start(({ offset }) => {
      seen.push(offset)
      return offset === 2 ? fail() : undefined
    })
    host.decision = { kind: 'retry', delayMs: 1_234.5 }
    host.offer(runOf(0, 1, 2, 3), runOf(1, 10))
    await host.settledCount(3)
    assert.equal(seen, [1, 2, 10])
    assert.equal(
      host.settled.find(({ slot }) => slot === 2),
      { lease: 2, slot: 2, delayMs: 1_235, outcome: RETRIED },
    )
    assert.is(host.decisions.length, 1)
    assert.is(host.decisions[0]?.attempt, 1)
    await engine.stop('drain', DEADLINE_MS)
  })
}

test('where the host says stop, the message is given back unsettled', async () => {
  const { engine, host } = start(() => failWith(new Error('no')))
  host.decision = { kind: 'stop' }
  host.offer(runOf(0, 1, 2))
  await host.settledCount(1)
  assert.equal(slotsWith(host, RELEASED), [1])
  await engine.stop('abort', 0)
})

test('no delay is negative, not a number of ms, or too large for the column', async () => {
  const { engine, host } = start(() => failWith(new Error('no')))
  for (const [index, delayMs] of [-5, 2 ** 40].entries()) {
    host.decision = { kind: 'retry', delayMs }
    host.offer(runOf(0, index))
    await host.settledCount(index + 1)
  }
  assert.equal(
    host.settled.map(({ delayMs }) => delayMs),
    [0, 2 ** 31 - 1],
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a thenable that calls back twice settles its message once, and starts nothing twice', async () => {
  const seen: number[] = []
  const { engine, host } = start(({ offset }) => {
    seen.push(offset)
    // biome-ignore lint/suspicious/noThenProperty: what is not a promise must do no harm.
    return { then: (resolve: () => void) => [resolve(), resolve()] }
  })
  host.offer(runOf(0, 1, 2, 3))
  await host.settledCount(3)
  await engine.stop('drain', DEADLINE_MS)
  assert.equal(seen, [1, 2, 3])
  assert.is(host.settled.length, 3)
})

test('more settlements than there is room for are handed over in parts', async () => {
  const { engine, host } = start(() => undefined, 4)
  host.offer(runOf(0, ...Array.from({ length: 50 }, (_, i) => i)))
  await host.settledCount(50)
  assert.equal(
    slotsWith(host, COMPLETED),
    Array.from({ length: 50 }, (_, i) => i),
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a doorbell starts nothing by itself: the event loop has its turn first', async () => {
  const seen: number[] = []
  const { engine, host } = start(({ offset }) => {
    seen.push(offset)
  })
  while (host.takes === 0) await nextTurn()
  host.offer(runOf(0, 1))
  await Promise.resolve()
  assert.equal(seen, [], 'nothing in the call that rings, or in its microtasks')
  await host.settledCount(1)
  assert.equal(seen, [1])
  await engine.stop('drain', DEADLINE_MS)
})

test('slow synchronous handlers leave the event loop its turns, inside a run too', async () => {
  const startedAt: number[] = []
  const { engine, host } = start(() => {
    startedAt.push(performance.now())
    while (performance.now() - (startedAt.at(-1) ?? 0) < 3);
  })
  host.offer(runOf(0, ...Array.from({ length: 40 }, (_, i) => i)))
  let turns = 0
  while (host.settled.length < 40) {
    await nextTurn()
    turns += 1
  }
  assert.ok(turns >= 8, `${turns} turns of the event loop in 120 ms of work`)
  await engine.stop('drain', DEADLINE_MS)
})

test('asynchronous handlers that wait for nothing leave the event loop its turns too', async () => {
  const { engine, host } = start(async () => {
    const from = performance.now()
    while (performance.now() - from < 1);
  })
  host.offer(...Array.from({ length: 20 }, (_, i) => runOf(i, 1, 2, 3, 4, 5, 6)))
  let turns = 0
  while (host.settled.length < 120) {
    await nextTurn()
    turns += 1
  }
  assert.ok(turns >= 8, `${turns} turns of the event loop in 120 ms of work`)
  await engine.stop('drain', DEADLINE_MS)
})

test('slow synchronous handlers are given smaller batches', async () => {
  const { engine, host } = start(() => {
    const from = performance.now()
    while (performance.now() - from < 10);
  })
  for (let i = 0; i < 6; i += 1) host.offer(runOf(0, i))
  await host.settledCount(6)
  host.largestTake = 0
  host.offer(runOf(0, 6))
  await host.settledCount(7)
  assert.ok(host.largestTake <= 32, `${host.largestTake} messages at once`)
  await engine.stop('drain', DEADLINE_MS)
})

test('runs are as long as may be where handlers do not wait, and short where they wait long', async () => {
  const WAITING = 100
  const { engine, host } = start(({ partition }) => (partition === WAITING ? sleep(200) : undefined), 1_000)
  host.offer(...Array.from({ length: 200 }, (_, i) => runOf(0, i)))
  await host.settledCount(200)
  assert.is(host.maxRun, 2_048)
  host.offer(...Array.from({ length: 200 }, (_, i) => runOf(WAITING, i)))
  await host.settledCount(400)
  assert.is(host.maxRun, 1)
  await engine.stop('drain', DEADLINE_MS)
})

/** Enough handlers that end at once for the engine to take sequentially; then nothing is offered. */
async function becomeSequential(host: ScriptedHost): Promise<void> {
  const MANY = 10_000
  host.offer(runOf(0, ...Array.from({ length: MANY }, (_, i) => i)))
  await host.settledCount(MANY)
  // One that is taken after all of them have ended.
  host.offer(runOf(0, MANY))
  await host.settledCount(MANY + 1)
  host.settled.length = 0
}

test('an engine whose handlers end at once takes sequentially; a promise that waits ends that, and the run it is in', async () => {
  const gate = new Gate()
  const { engine, host } = start((message, context) =>
    message.offset === 20_002 ? gate.handler(message, context) : undefined,
  )
  await becomeSequential(host)
  assert.is(host.sequential, true)
  host.offer(runOf(0, 20_001, 20_002, 20_003, 20_004))
  await host.settledCount(2)
  assert.equal(slotsWith(host, COMPLETED), [20_001])
  // With it what follows in its run goes back, too.
  assert.equal(slotsWith(host, RELEASED), [20_003])
  assert.is(host.sequential, false)
  gate.end(20_002)
  await host.settledCount(3)
  assert.equal(slotsWith(host, COMPLETED), [20_001, 20_002])
  assert.is(host.sequential, false)
  await engine.stop('drain', DEADLINE_MS)
})

test('promises that end at once end neither sequential takes nor their run', async () => {
  const seen: number[] = []
  const { engine, host } = start(async ({ offset }) => {
    await undefined
    seen.push(offset)
  })
  await becomeSequential(host)
  assert.is(host.sequential, true)
  seen.length = 0
  host.offer(runOf(0, 20_001, 20_002, 20_003), runOf(1, 1))
  await host.settledCount(4)
  assert.equal(
    seen.filter((offset) => offset !== 1),
    [20_001, 20_002, 20_003],
  )
  assert.is(slotsWith(host, COMPLETED).length, 4)
  assert.is(host.sequential, true)
  await engine.stop('drain', DEADLINE_MS)
})

test('handlers that wait, however shortly, are not taken for ones that end at once', async () => {
  const { engine, host } = start(async ({ partition }) => {
    if (partition === 1) await nextTurn()
  })
  await becomeSequential(host)
  host.offer(runOf(1, 1, 2))
  await host.settledCount(2)
  assert.equal(slotsWith(host, RELEASED), [2])
  for (let i = 0; i < 20; i += 1) host.offer(...Array.from({ length: 500 }, (_, each) => runOf(1, i * 500 + each)))
  await host.settledCount(10_002)
  assert.is(host.sequential, false)
  await engine.stop('drain', DEADLINE_MS)
})

test('a failure ends sequential takes; a message that is dropped does not', async () => {
  const { engine, host } = start(({ offset }) => {
    if (offset >= 20_000) throw new Error('fails')
  })
  await becomeSequential(host)
  host.decision = { kind: 'drop' }
  host.offer(runOf(0, 20_000))
  await host.settledCount(1)
  assert.is(host.sequential, true)
  host.decision = { kind: 'retry', delayMs: 0 }
  host.offer(runOf(0, 20_001))
  await host.settledCount(2)
  assert.is(host.sequential, false)
  await engine.stop('drain', DEADLINE_MS)
})

test('fence: nothing of the partition that was taken before starts; other partitions and later takes go on', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler)
  host.offer(runOf(0, 1, 2), runOf(1, 10, 11))
  await nextTurn()
  engine.fence?.([{ topic: 'scripted', partition: 0 }])
  gate.end(1)
  gate.end(10)
  host.offer(runOf(0, 2))
  await nextTurn()
  await nextTurn()
  assert.equal(gate.started, [1, 10, 11, 2])
  assert.equal(slotsWith(host, RELEASED), [2])
  gate.end(11)
  gate.end(2)
  await engine.stop('drain', DEADLINE_MS)
  assert.equal(slotsWith(host, COMPLETED), [1, 10, 11, 2])
})

test('fence: another topic is not meant, and what runs is settled', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler)
  host.offer(runOf(0, 1, 2))
  await nextTurn()
  engine.fence?.([{ topic: 'another', partition: 0 }])
  gate.end(1)
  await nextTurn()
  assert.equal(gate.started, [1, 2])
  engine.fence?.([{ topic: 'scripted', partition: 0 }])
  gate.end(2)
  await engine.stop('drain', DEADLINE_MS)
  assert.equal(slotsWith(host, COMPLETED), [1, 2])
})

test('drain: running handlers end and are settled, nothing starts', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler)
  host.offer(runOf(0, 1, 2))
  await nextTurn()
  let isDrained = false
  const drained = engine.stop('drain', DEADLINE_MS).then(() => {
    isDrained = true
  })
  host.offer(runOf(1, 10))
  await nextTurn()
  assert.not(isDrained)
  gate.end(1)
  await drained
  assert.equal(gate.started, [1])
  assert.equal(slotsWith(host, COMPLETED), [1])
  assert.equal(slotsWith(host, RELEASED), [2])
})

test('drain: when the deadline passes it resolves, and an abort may follow', async () => {
  const gate = new Gate()
  const { engine, host } = start(gate.handler)
  host.offer(runOf(0, 1))
  await nextTurn()
  await engine.stop('drain', 1)
  assert.equal(host.settled, [])
  await engine.stop('abort', 0)
  assert.ok(host.isDetached)
})

test('abort: signals fire, what is settled is handed over, nothing is waited for, late endings change nothing', async () => {
  const gate = new Gate()
  const signals: AbortSignal[] = []
  const { engine, host } = start((message, context) => {
    signals.push(context.signal)
    return gate.handler(message, context)
  })
  host.offer(runOf(0, 1, 2), runOf(1, 10, 11))
  await nextTurn()
  await nextTurn()
  await engine.stop('abort', 0)
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [true, true],
  )
  assert.ok(host.isDetached)
  gate.end(1)
  gate.end(10, new Error('aborted'))
  await nextTurn()
  await nextTurn()
  assert.equal(gate.started, [1, 10])
  assert.equal(host.settled, [])
  assert.equal(host.decisions, [])
})

test('an attempt has a signal of its own, which does not fire once it has ended', async () => {
  const gate = new Gate()
  const fired: number[] = []
  const { engine, host } = start((message, context) => {
    context.signal.addEventListener('abort', () => fired.push(message.offset))
    return message.offset === 2
      ? failWith(new Error('no'))
      : message.offset === 1
        ? undefined
        : gate.handler(message, context)
  })
  host.offer(runOf(0, 1), runOf(1, 2), runOf(2, 3), runOf(3, 4), runOf(4, 5))
  await nextTurn()
  await nextTurn()
  gate.end(3)
  gate.end(4, new Error('no'))
  await host.settledCount(4)
  await engine.stop('abort', 0)
  assert.equal(fired, [5])
})

test('a signal that is asked for late says what has happened', async () => {
  const gate = new Gate()
  const contexts: HandlerContext[] = []
  const { engine, host } = start((message, context) => {
    contexts.push(context)
    return gate.handler(message, context)
  })
  host.offer(runOf(0, 1), runOf(1, 10))
  await nextTurn()
  await nextTurn()
  gate.end(1)
  await host.settledCount(1)
  await engine.stop('abort', 0)
  assert.equal(
    contexts.map(({ signal }) => signal.aborted),
    [false, true],
  )
})

test('any number of handlers may listen to the signal without a warning', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  const gate = new Gate()
  const { engine, host } = start((message, context) => {
    context.signal.addEventListener('abort', () => undefined)
    return gate.handler(message, context)
  })
  host.offer(...Array.from({ length: 50 }, (_, i) => runOf(i, i)))
  await nextTurn()
  await nextTurn()
  assert.is(gate.started.length, 50)
  await engine.stop('abort', 0)
  process.off('warning', listen)
  assert.equal(warnings, [])
})

test('an engine that cannot go on says so to its host', async () => {
  const { engine, host } = start(() => failWith(new Error('no')))
  const broken = new Error('the policy itself is broken')
  host.decide = () => failWith(broken)
  host.offer(runOf(0, 1))
  while (host.failures.length === 0) await nextTurn()
  assert.equal(host.failures, [broken])
  await engine.stop('abort', 0)
})

test('an engine is stopped before it was started, and twice', async () => {
  const engine = inline()
  await engine.stop('drain', DEADLINE_MS)
  const started = start(() => undefined)
  await Promise.all([started.engine.stop('drain', DEADLINE_MS), started.engine.stop('drain', DEADLINE_MS)])
  await started.engine.stop('abort', 0)
  await started.engine.stop('abort', 0)
})

function failWith(error: Error): never {
  throw error
}

test.run()
