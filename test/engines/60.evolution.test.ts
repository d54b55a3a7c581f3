/**
 * Older and newer workers against this host: what one side does not know, it ignores. The other versions are this one's
 * schema with fields and values added or taken away, encoded and decoded by reflection.
 */
import { readFileSync } from 'node:fs'
import type { WorkerError } from 'laneway'
import protobuf from 'protobufjs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { v1, type WorkRequest, type WorkResponse } from '../../ts/contracts/worker-contract.js'
import { sourceFile } from '../broker/package-root.js'
import { runOf } from '../unit/scripted-taker.js'
import { type Dialect, HandWorker, Status } from './hand-worker.js'
import { ScriptedEngine } from './scripted-engine.js'

const COMPLETED = 0
const RETRIED = 1
const proto = readFileSync(sourceFile('proto/laneway/worker/v1/worker.proto'), 'utf8')

/** The schema with these changes, of which each must change something. */
function schemaWith(...changes: readonly (readonly [from: string | RegExp, to: string])[]): protobuf.Root {
  const changed = changes.reduce((text, [from, to]) => {
    const next = text.replace(from, to)
    assert.not.equal(next, text, `${from} is not in the contract any more`)
    return next
  }, proto)
  return protobuf.parse(changed).root
}

function dialectOf(root: protobuf.Root): Dialect {
  const request = root.lookupType('laneway.worker.v1.WorkRequest')
  const response = root.lookupType('laneway.worker.v1.WorkResponse')
  return {
    serialize: (message) => Buffer.from(request.encode(request.create(message as Record<string, unknown>)).finish()),
    deserialize: (bytes) => response.decode(bytes) as WorkResponse,
  }
}

/** What a later version might have. */
const newer = schemaWith(
  ['Drain drain = 5;', 'Drain drain = 5;\n    Novelty novelty = 90;'],
  ['Cancel cancel = 5;', 'Cancel cancel = 5;\n    Novelty novelty = 90;'],
  [
    'message Hello {',
    'message Novelty { string text = 1; repeated Novelty parts = 2; }\nmessage Hello {\n  Novelty novelty = 90;',
  ],
  ['message Settlement {', 'message Settlement {\n  Novelty novelty = 90;\n  repeated fixed64 numbers = 91;'],
  ['message Settlements {', 'message Settlements {\n  Novelty novelty = 90;'],
  ['message Error {', 'message Error {\n  Novelty novelty = 90;'],
  ['message Leases {', 'message Leases {\n  Novelty novelty = 90;'],
  ['message Run {', 'message Run {\n  Novelty novelty = 90;'],
  ['message Lease {', 'message Lease {\n  Novelty novelty = 90;'],
  ['message Welcome {', 'message Welcome {\n  Novelty novelty = 90;'],
  ['message Message {', 'message Message {\n  Novelty novelty = 90;'],
  ['STATUS_RELEASED = 7;', 'STATUS_RELEASED = 7;\n  STATUS_NOVEL = 90;'],
)
const novelty = { text: 'new', parts: [{ text: 'part' }] }

/** The least that a worker of an earlier version might know. */
const older = schemaWith(
  [/ {2}\/\/ The largest message[\s\S]*?max_message_bytes = 8;/, ''],
  [/ {2}repeated string capabilities = 2;/g, ''],
  [/ {2}\/\/ When the first attempt failed[\s\S]*?first_failed_at_ms = 4;/, ''],
  [/ {2}\/\/ What the host adds[\s\S]*?metadata = 6;/, ''],
  [/ {2}\/\/ COMPLETED: produced[\s\S]*?outputs = 5;/, ''],
  ['    Cancel cancel = 5;', ''],
  [/ {2}map<string, string> details = 4;/, ''],
  [/ {2}\/\/ The worker's stack[\s\S]*?stack = 5;/, ''],
)

test('a newer worker: its new fields and messages are ignored, a status that is new is a failed attempt', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = new HandWorker(address, { dialect: dialectOf(newer) })
  worker.hello({ contractVersion: 7, capabilities: ['novelty'], ...{ novelty } })
  assert.is((await worker.welcomed()).contractVersion, 1)
  worker.send({ novelty } as WorkRequest)
  host.offer(runOf(0, 1), runOf(1, 2))
  const [first, second] = await worker.leased(2)
  const settlements = [
    { lease: first?.id ?? 0, status: Status.STATUS_COMPLETED, novelty, numbers: [1, 2, 3] },
    { lease: second?.id ?? 0, status: 90 as v1.Status, error: { code: 'Novel', novelty }, novelty },
  ]
  worker.send({ settlements: { settlements, ...{ novelty } } })
  await host.settledCount(2)
  assert.equal(
    host.settled.map(({ slot, outcome }) => [slot, outcome]),
    [
      [1, COMPLETED],
      [2, RETRIED],
    ],
  )
  assert.is((host.decisions[0]?.error as WorkerError | undefined)?.code, 'STATUS_UNKNOWN')
})

test('an older worker, which knows less, is served', async () => {
  await using scripted = await ScriptedEngine.start()
  const { host, address } = scripted
  const worker = new HandWorker(address, { dialect: dialectOf(older) })
  worker.hello({ contractVersion: 0 })
  await worker.welcomed()
  const headers = [['traceparent', '00-a-b-01']] as const
  host.offer({ partition: 0, messages: [{ offset: 1, value: 'v', headers, attempt: 2, firstFailedAt: 5 }] })
  host.offer(runOf(1, 2))
  const [first, second] = await worker.leased(2)
  assert.is(Buffer.from(first?.message.value ?? '').toString(), 'v')
  assert.is(first?.attempt, 2)
  worker.settle(first?.id ?? 0)
  worker.settle(second?.id ?? 0, Status.STATUS_FAILED, { error: { code: 'Old', message: 'no' } })
  await host.settledCount(2)
  const error = host.decisions[0]?.error as WorkerError | undefined
  assert.equal([error?.code, error?.message, error?.retriable, error?.details], ['Old', 'no', undefined, {}])
})

test('an older worker does not understand a cancel; the lane waits for its answer all the same', async () => {
  await using scripted = await ScriptedEngine.start({ leaseTimeout: 20 })
  const { host, address } = scripted
  const worker = new HandWorker(address, { dialect: dialectOf(older) })
  worker.hello()
  host.offer(runOf(0, 1))
  const [lease] = await worker.leased(1)
  await worker.until(() => worker.received.some(({ welcome, leases, cancel }) => !welcome && !leases && !cancel))
  assert.equal(host.settled, [])
  worker.settle(lease?.id ?? 0)
  await host.settledCount(1)
})

test('what a newer host sends, this version’s worker understands, but for what is new', () => {
  const response = newer.lookupType('laneway.worker.v1.WorkResponse')
  const run = { topic: 't', partition: 3, novelty, leases: [{ id: 5, novelty, message: { offset: 7, novelty } }] }
  const bytes = response.encode(response.create({ leases: { handler: 'h', runs: [run], novelty } })).finish()
  const { leases } = v1.WorkResponse.decode(bytes)
  assert.is(leases?.handler, 'h')
  assert.is(Number(leases?.runs?.[0]?.leases?.[0]?.message?.offset), 7)
  const unknown = v1.WorkResponse.decode(response.encode(response.create({ novelty })).finish())
  assert.is(unknown.kind, undefined)
})

test.run()
