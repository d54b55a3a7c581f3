/** What the threads share and send: the table of attempts, the inbox with its fences, and errors in their envelopes. */
import { MessageChannel } from 'node:worker_threads'
import { DeadLetterMessage, DropMessage, FatalError, LanewayError, RetryMessage } from 'laneway'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AttemptTable, whatRan } from '../../ts/engines/worker-threads/attempt-table.js'
import { envelopeOf, thrownOf } from '../../ts/engines/worker-threads/error-envelope.js'
import { Inbox } from '../../ts/engines/worker-threads/inbox.js'
import { ThreadFences } from '../../ts/engines/worker-threads/thread-fences.js'
import type { ToThread } from '../../ts/engines/worker-threads/thread-messages.js'
import { MessageBatch } from '../../ts/message-batch.js'
import { outcomeOf } from '../../ts/outcomes.js'
import { runOf, ScriptedHost } from '../unit/scripted-taker.js'
import { writeBatch } from '../unit/written-batch.js'

const test = suite('memory of threads')

function tableWithBlocks(): { table: AttemptTable; blocks: SharedArrayBuffer[] } {
  const blocks: SharedArrayBuffer[] = []
  return { table: new AttemptTable((memory) => blocks.push(memory)), blocks }
}

test('what ran is what has begun and not ended, the last lease first', () => {
  const { table, blocks } = tableWithBlocks()
  const rows = [5, 6, 7, 8].map((lease) => table.began(lease, lease * 10))
  table.ended(rows[1] ?? -1)
  assert.is(table.running, 3)
  assert.equal(whatRan(blocks), [
    { lease: 8, slot: 80 },
    { lease: 7, slot: 70 },
    { lease: 5, slot: 50 },
  ])
})

test('one attempt after the other needs one row, and no memory is added', () => {
  const { table, blocks } = tableWithBlocks()
  const rows = new Set<number>()
  for (let lease = 1; lease <= 10_000; lease += 1) {
    const row = table.began(lease, 1)
    rows.add(row)
    table.ended(row)
  }
  assert.equal([rows.size, blocks.length], [1, 1])
  assert.equal(whatRan(blocks), [])
})

test('a table grows with what runs at once, and tells its memory before it writes to it', () => {
  const seen: number[] = []
  const blocks: SharedArrayBuffer[] = []
  const table = new AttemptTable((memory) => {
    blocks.push(memory)
    seen.push(whatRan([memory]).length)
  })
  const rows = Array.from({ length: 3_000 }, (_, i) => table.began(i + 1, i))
  assert.equal(seen, [0, 0, 0])
  assert.is(whatRan(blocks).length, 3_000)
  for (const row of rows) table.ended(row)
  assert.equal(whatRan(blocks), [])
  for (let i = 0; i < 3_000; i += 1) table.began(i + 1, i)
  assert.is(blocks.length, 3)
})

test('a fence counts as soon as it is sent, in the middle of a turn, for what was taken before', () => {
  const { port1, port2 } = new MessageChannel()
  const sent = new SharedArrayBuffer(4)
  const send = (message: ToThread): void => {
    port1.postMessage(message)
    Atomics.add(new Int32Array(sent), 0, 1)
  }
  const received: string[] = []
  const inbox = new Inbox(port2, sent, (message) => {
    received.push(message.kind)
    if (message.kind === 'fence') fences.raise(message.partitions)
  })
  const fences = new ThreadFences(new ScriptedHost(() => undefined), inbox)
  const batch = new MessageBatch(writeBatch(1, [runOf(0, 1), runOf(1, 1)]))
  fences.meet(batch)
  assert.is(fences.isOver(0, batch), false)
  send({ kind: 'fence', partitions: [{ topic: 'scripted', partition: 0 }] })
  send({ kind: 'drain', deadlineMs: 1 })
  assert.is(fences.isOver(0, batch), true)
  assert.is(fences.isOver(1, batch), false)
  assert.equal(received, ['fence', 'drain'])
  const next = new MessageBatch(writeBatch(3, [runOf(0, 2)]))
  fences.meet(next)
  assert.is(fences.isOver(0, next), false)
  port1.close()
})

/** There and back, as between threads. */
const crossed = (thrown: unknown): unknown => thrownOf(structuredClone(envelopeOf(thrown)))

test('an error keeps its name, text, stack, cause and simple fields', () => {
  class Upstream extends Error {
    override readonly name = 'Upstream'
    readonly status = 503
    readonly socket = { close: () => undefined }
    get code(): string {
      return 'E_UPSTREAM'
    }
    get retriable(): boolean {
      return false
    }
  }
  const thrown = new Upstream('no answer', { cause: new TypeError('deep', { cause: 'deeper' }) })
  const error = crossed(thrown) as Upstream & { cause: Error }
  assert.instance(error, Error)
  assert.equal([error.name, error.message, error.stack], ['Upstream', 'no answer', thrown.stack])
  assert.equal([error.status, error.code, error.retriable], [503, 'E_UPSTREAM', false])
  assert.is(error.socket, undefined)
  assert.equal([error.cause.name, error.cause.message, error.cause.cause], ['TypeError', 'deep', 'deeper'])
})

test('outcomes that handlers throw keep their meaning', () => {
  const outcomes = [
    new RetryMessage({ delay: 42 }),
    new DropMessage('not needed'),
    new DeadLetterMessage('not readable'),
    new FatalError('no more'),
  ]
  for (const outcome of outcomes) {
    const error = crossed(outcome)
    assert.equal(outcomeOf(error), outcomeOf(outcome))
    assert.is((error as Error).message, outcome.message)
    assert.is((error as Error).name, outcome.name)
  }
})

test("laneway's own errors stay what they are", () => {
  const details = { topic: 't', offset: 5 }
  const error = crossed(new LanewayError('DESERIALIZATION_FAILED', 'not JSON', { details, cause: new Error('why') }))
  assert.ok(LanewayError.is(error))
  assert.equal([error.code, error.message, error.details], ['DESERIALIZATION_FAILED', 'not JSON', details])
  assert.is((error.cause as Error).message, 'why')
})

test('whatever is thrown crosses', () => {
  assert.is(crossed(undefined), undefined)
  assert.is(crossed(null), null)
  assert.is(crossed('text'), 'text')
  assert.is(crossed(1n), 1n)
  assert.match(String(crossed(Symbol('odd'))), 'Symbol(odd)')
  assert.match(String(crossed({ code: 5, call: () => undefined })), 'code: 5')
  assert.match(String(crossed(() => 1)), 'Function')
})

test('an error that cannot be read, or never ends, crosses all the same', () => {
  const unreadable = new Error('hidden')
  // Node writes the stack when it is first read.
  assert.ok(unreadable.stack)
  for (const name of ['message', 'name', 'stack', 'cause', 'code']) {
    Object.defineProperty(unreadable, name, {
      enumerable: true,
      get: () => {
        throw new Error('not to be read')
      },
    })
  }
  assert.instance(crossed(unreadable), Error)
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  assert.is(typeof crossed(proxy), 'string')
  const endless = new Error('x'.repeat(1_000_000)) as Error & { cause: unknown }
  endless.cause = endless
  const fields = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`field ${i}`, 'y'.repeat(100_000)]))
  Object.assign(endless, fields)
  const size = JSON.stringify(envelopeOf(endless)).length
  assert.ok(size < 1_000_000, `${size} characters`)
  assert.instance(crossed(endless), Error)
})

test.run()
