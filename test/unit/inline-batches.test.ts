/** The inline engine with timeouts, batches and what handlers send: each message settled once, whatever happens. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type BatchContext,
  type BatchHandler,
  type BatchPlan,
  type Engine,
  type HandlerContext,
  inline,
  LanewayError,
  type Message,
} from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runOf, ScriptedHost } from './scripted-taker.js'

const COMPLETED = 0
const RETRIED = 1
const DROPPED = 3
const RELEASED = 4
const BLOCKED = 5
const DEADLINE_MS = 10_000
const LONG_AGO = 1_700_000_000_000

type Plan = Partial<Omit<BatchPlan, 'handler'>>

interface Started {
  readonly engine: Engine
  readonly host: ScriptedHost
}

function start(host: ScriptedHost): Started {
  const engine = inline()
  engine.start(host)
  return { engine, host }
}

function startBatches(handler: BatchHandler, plan: Plan = {}, settings: Partial<ScriptedHost> = {}): Started {
  const host = Object.assign(
    new ScriptedHost(() => assert.unreachable('a batch engine calls no handler of single messages')),
    settings,
  )
  host.batches = { handler, lanes: 'one', maxMessages: 10, maxBytes: 1_000, lingerMs: 0, ...plan }
  return start(host)
}

// A consumer keeps its process alive; a scripted host does not, and the engine's timers must not.
const keepAlive = setInterval(() => undefined, 60_000)
test.after(() => clearInterval(keepAlive))

const offsetsOf = (messages: readonly Message[]): number[] => messages.map(({ offset }) => offset)
const outcomesOf = (host: ScriptedHost): [slot: number, outcome: number][] =>
  host.settled.map(({ slot, outcome }): [number, number] => [slot, outcome]).sort(([a], [b]) => a - b)
const codeOf = (error: unknown): string => (LanewayError.is(error) ? error.code : String(error))

async function turnsUntil(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await nextTurn()
}

function fail(message = 'no'): never {
  throw new Error(message)
}

// --- Timeouts --------------------------------------------------------------------------------------------------------

test('a handler that is too slow fails when it ends, not before: its run waits, others do not', async () => {
  const host = new ScriptedHost(() => undefined)
  host.handlerTimeoutMs = 20
  const started: number[] = []
  const contexts = new Map<number, HandlerContext>()
  let end = (): void => undefined
  host.handler = ({ offset }, context) => {
    started.push(offset)
    contexts.set(offset, context)
    return offset === 1 ? new Promise<void>((resolve) => (end = resolve)) : Promise.resolve()
  }
  const { engine } = start(host)
  host.offer(runOf(0, 1, 2), runOf(1, 10))
  await turnsUntil(() => contexts.get(1)?.signal.aborted === true)
  assert.is(codeOf(contexts.get(1)?.signal.reason), 'HANDLER_TIMEOUT')
  assert.not(contexts.get(10)?.signal.aborted)
  assert.equal(started, [1, 10])
  assert.equal(outcomesOf(host), [[10, COMPLETED]])
  end()
  await host.settledCount(2)
  assert.equal(outcomesOf(host), [
    [1, RETRIED],
    [10, COMPLETED],
  ])
  assert.is(codeOf(host.decisions[0]?.error), 'HANDLER_TIMEOUT')
  await engine.stop('drain', DEADLINE_MS)
})

test('a handler that rejects because it timed out has failed with the timeout, and once', async () => {
  const host = new ScriptedHost(
    (_, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
  )
  host.handlerTimeoutMs = 5
  const { engine } = start(host)
  host.offer(runOf(0, 1))
  await host.settledCount(1)
  assert.equal(
    host.decisions.map(({ error }) => codeOf(error)),
    ['HANDLER_TIMEOUT'],
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a timed-out message that is dropped all the same lets its run go on', async () => {
  const host = new ScriptedHost(({ offset }, { signal }) =>
    offset === 1 ? new Promise((resolve) => signal.addEventListener('abort', resolve)) : undefined,
  )
  host.handlerTimeoutMs = 5
  host.decision = { kind: 'drop' }
  const { engine } = start(host)
  host.offer(runOf(0, 1, 2))
  await host.settledCount(2)
  assert.equal(outcomesOf(host), [
    [1, DROPPED],
    [2, COMPLETED],
  ])
  await engine.stop('drain', DEADLINE_MS)
})

// --- What becomes of failures ----------------------------------------------------------------------------------------

test('drop goes on with the run; block and dead letters end it, and only what was settled is handed over', async () => {
  const host = new ScriptedHost(({ offset }) => (offset % 2 === 0 ? fail() : undefined))
  host.decision = (offset) =>
    offset < 10
      ? { kind: 'drop' }
      : offset < 20
        ? { kind: 'block' }
        : { kind: 'deadLetter', letter: { topic: 'dead', withPayload: true, headers: [] } }
  const { engine } = start(host)
  host.offer(runOf(0, 1, 2, 3), runOf(1, 11, 12, 13), runOf(2, 21, 22, 23))
  await host.settledCount(6)
  await engine.stop('drain', DEADLINE_MS)
  assert.equal(outcomesOf(host), [
    [1, COMPLETED],
    [2, DROPPED],
    [3, COMPLETED],
    [11, COMPLETED],
    [12, BLOCKED],
    [21, COMPLETED],
  ])
  assert.equal(
    host.deadLetters.map(({ slot, topic }) => [slot, topic]),
    [[22, 'dead']],
  )
})

test('attempt 0 is not run: its key is poison', async () => {
  const host = new ScriptedHost(() => assert.unreachable())
  host.decision = { kind: 'drop' }
  const { engine } = start(host)
  host.offer({ partition: 0, messages: [{ offset: 1, attempt: 0 }] })
  await host.settledCount(1)
  assert.equal(
    host.decisions.map(({ attempt, error }) => [attempt, codeOf(error)]),
    [[0, 'KEY_POISONED']],
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a later attempt knows when the first one failed', async () => {
  const seen: unknown[] = []
  const host = new ScriptedHost((_, { attempt, firstFailedAt }) => {
    seen.push([attempt, firstFailedAt])
    fail()
  })
  const { engine } = start(host)
  host.offer({ partition: 0, messages: [{ offset: 1, attempt: 3, firstFailedAt: LONG_AGO }] }, runOf(1, 10))
  await host.settledCount(2)
  assert.equal(seen, [
    [3, LONG_AGO],
    [1, undefined],
  ])
  assert.equal(
    host.decisions.map(({ firstFailedAt }) => firstFailedAt),
    [LONG_AGO, undefined],
  )
  await engine.stop('drain', DEADLINE_MS)
})

// --- send() ----------------------------------------------------------------------------------------------------------

test('send() needs the option transactional, a lease, and a handler that still runs', async () => {
  let late: HandlerContext | undefined
  const errors: string[] = []
  const host = new ScriptedHost((_, context) => {
    late = context
    try {
      context.send({ topic: 'out' })
    } catch (error) {
      errors.push(codeOf(error))
    }
  })
  const { engine } = start(host)
  host.offer(runOf(0, 1))
  await host.settledCount(1)
  host.isTransactional = true
  host.offer(runOf(0, 2))
  await host.settledCount(2)
  host.holdsOutputs = false
  host.offer(runOf(0, 3))
  await host.settledCount(3)
  assert.equal(errors, ['NOT_TRANSACTIONAL', 'LEASE_LOST'])
  assert.equal(host.outputs[0], { lease: 2, topic: 'out' })
  assert.throws(
    () => late?.send({ topic: 'out' }),
    (error: unknown) => codeOf(error) === 'LEASE_LOST',
  )
  await engine.stop('drain', DEADLINE_MS)
})

// --- Batches ---------------------------------------------------------------------------------------------------------

test('a batch of one lane is a run, and is settled from its end when the handler returns', async () => {
  const seen: number[][] = []
  const { engine, host } = startBatches((messages) => {
    seen.push(offsetsOf(messages))
  })
  host.offer(runOf(0, 1, 2, 3), runOf(1, 10))
  await host.settledCount(4)
  assert.equal(seen, [[1, 2, 3], [10]])
  assert.equal(
    host.settled.map(({ slot }) => slot),
    [3, 2, 1, 10],
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a batch of many lanes is gathered over several takes, up to its messages', async () => {
  const seen: number[][] = []
  const { engine, host } = startBatches(
    (messages) => {
      seen.push(offsetsOf(messages))
    },
    { lanes: 'many', maxMessages: 4, lingerMs: 60_000 },
  )
  host.offer(runOf(0, 1), runOf(1, 10))
  await nextTurn()
  await nextTurn()
  assert.equal(seen, [], 'it is not full, and lingers')
  host.offer(runOf(2, 20), runOf(3, 30))
  await host.settledCount(4)
  assert.equal(seen, [[1, 10, 20, 30]])
  await engine.stop('drain', DEADLINE_MS)
})

test('a batch of many lanes that is not full runs when it has lingered', async () => {
  const seen: number[][] = []
  const { engine, host } = startBatches(
    (messages) => {
      seen.push(offsetsOf(messages))
    },
    { lanes: 'many', maxMessages: 4, lingerMs: 15 },
  )
  host.offer(runOf(0, 1))
  await host.settledCount(1)
  assert.equal(seen, [[1]])
  await engine.stop('drain', DEADLINE_MS)
})

test('what a handler says first of a message counts; a throw fails the rest; one message has one outcome', async () => {
  const { engine, host } = startBatches((messages, context) => {
    const [one, two, three] = messages as readonly [Message, Message, Message, Message]
    context.complete(one)
    context.fail(one, new Error('too late'))
    context.fail(two, new Error('two'))
    context.complete(two)
    context.complete(three)
    fail('the rest')
  })
  host.offer(runOf(0, 1, 2, 3, 4))
  await host.settledCount(4)
  assert.equal(outcomesOf(host), [
    [1, COMPLETED],
    [2, RETRIED],
    [3, COMPLETED],
    [4, RETRIED],
  ])
  assert.equal(
    host.decisions.map(({ offset, error }) => [offset, (error as Error).message]),
    [
      [4, 'the rest'],
      [2, 'two'],
    ],
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('known defect: what was completed behind a dead letter is handed over before the letter is', async () => {
  const settledAtLetter: number[][] = []
  const { engine, host } = startBatches(
    (messages, context) => {
      for (const message of messages) if (message.offset === 2) context.fail(message, new Error('no'))
    },
    {},
    { decision: { kind: 'deadLetter', letter: { topic: 'dead', withPayload: true, headers: [] } } },
  )
  host.deadLetters.push = (...letters) => {
    settledAtLetter.push(host.settled.map(({ slot }) => slot))
    return letters.length
  }
  host.offer(runOf(0, 1, 2, 3))
  await host.settledCount(2)
  await engine.stop('drain', DEADLINE_MS)
  assert.equal(settledAtLetter, [[3]], 'native code gives back what is leased behind the letter')
  assert.equal(outcomesOf(host), [
    [1, COMPLETED],
    [3, COMPLETED],
  ])
})

test('the context of a batch knows attempts, refuses strangers, and ends with its handler', async () => {
  let late: BatchContext | undefined
  let kept: Message | undefined
  const seen: unknown[] = []
  const { engine, host } = startBatches((messages, context) => {
    late = context
    kept = messages[0]
    for (const message of messages) seen.push([context.attempt(message), context.firstFailedAt(message)])
    assert.throws(
      () => context.complete({ ...messages[0] } as Message),
      (error: unknown) => codeOf(error) === 'CONFIG_INVALID',
    )
  })
  host.offer({ partition: 0, messages: [{ offset: 1, attempt: 2, firstFailedAt: LONG_AGO }, { offset: 2 }] })
  await host.settledCount(2)
  assert.equal(seen, [
    [2, LONG_AGO],
    [1, undefined],
  ])
  assert.equal(host.decisions, [])
  assert.throws(
    () => late?.fail(kept as Message, new Error('late')),
    (error: unknown) => codeOf(error) === 'LEASE_LOST',
  )
  await engine.stop('drain', DEADLINE_MS)
})

test('a batch that times out fails when it ends, but for what was completed before', async () => {
  const { engine, host } = startBatches(
    (messages, context) => {
      context.complete(messages[0] as Message)
      return new Promise((resolve) => context.signal.addEventListener('abort', resolve))
    },
    {},
    { handlerTimeoutMs: 10 },
  )
  host.offer(runOf(0, 1, 2))
  await host.settledCount(2)
  assert.equal(outcomesOf(host), [
    [1, COMPLETED],
    [2, RETRIED],
  ])
  assert.is(codeOf(host.decisions[0]?.error), 'HANDLER_TIMEOUT')
  await engine.stop('drain', DEADLINE_MS)
})

test('messages of a poison key are left out of batches, and given up', async () => {
  const seen: number[][] = []
  for (const lanes of ['one', 'many'] as const) {
    const { engine, host } = startBatches(
      (messages) => {
        seen.push(offsetsOf(messages))
      },
      { lanes },
      { decision: { kind: 'drop' } },
    )
    host.offer(
      {
        partition: 0,
        messages: [
          { offset: 1, attempt: 0 },
          { offset: 2, attempt: 0 },
        ],
      },
      runOf(1, 10),
    )
    await host.settledCount(3)
    assert.equal(outcomesOf(host), [
      [1, DROPPED],
      [2, DROPPED],
      [10, COMPLETED],
    ])
    await engine.stop('drain', DEADLINE_MS)
  }
  assert.equal(seen, [[10], [10]])
})

for (const lanes of ['one', 'many'] as const) {
  test(`drain: a running batch ends, what was gathered goes back, nothing starts (lanes: '${lanes}')`, async () => {
    const seen: number[][] = []
    let end = (): void => undefined
    const { engine, host } = startBatches(
      (messages) => {
        seen.push(offsetsOf(messages))
        return new Promise<void>((resolve) => (end = resolve))
      },
      { lanes, maxMessages: 2, lingerMs: 60_000 },
    )
    host.offer(runOf(0, 1, 2))
    await turnsUntil(() => seen.length === 1)
    const isGathering = lanes === 'many'
    if (isGathering) host.offer(runOf(1, 10))
    await nextTurn()
    await nextTurn()
    const drained = engine.stop('drain', DEADLINE_MS)
    host.offer(runOf(2, 20))
    end()
    await drained
    assert.equal(seen, [[1, 2]])
    assert.equal(
      outcomesOf(host),
      [
        [1, COMPLETED],
        [2, COMPLETED],
        [10, RELEASED],
      ].slice(0, isGathering ? 3 : 2),
    )
  })
}

test('abort: the signal fires, and late endings change nothing', async () => {
  const contexts: BatchContext[] = []
  let end = (): void => undefined
  const { engine, host } = startBatches((_, context) => {
    contexts.push(context)
    assert.not(context.signal.aborted)
    return new Promise<void>((resolve) => (end = resolve))
  })
  host.offer(runOf(0, 1, 2))
  await turnsUntil(() => contexts.length === 1)
  await engine.stop('abort', 0)
  assert.ok(contexts[0]?.signal.aborted)
  assert.ok(host.isDetached)
  end()
  await nextTurn()
  await nextTurn()
  assert.equal(host.settled, [])
})

test.run()
