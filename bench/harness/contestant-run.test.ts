/** Contestants are measured as they are: those that work finish, and those that do not are shown as what they are. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OWN_CONTESTANTS } from '../contestants/entrants.js'
import type { Contestant } from '../contestants/registry.js'
import type { Work } from '../contestants/task.js'
import { type Cluster, mockCluster } from './cluster.js'
import { type Run, runContestant } from './contestant-run.js'
import { type FilledTopic, fillTopic } from './topic.js'

interface Context {
  folder: string
  cluster: Cluster
  topic: FilledTopic
}

const MESSAGES = 600
const KEYS = 30

const test = suite<Context>('a contestant')

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'laneway-bench-'))
  context.cluster = mockCluster()
  const shape = { messages: MESSAGES, valueBytes: 100, keys: KEYS, partitions: 2 }
  context.topic = await fillTopic(context.cluster, shape, context.folder)
})

test.after(async ({ cluster, folder }) => {
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

function run(context: Context, contestant: Contestant, work: Work, deadlineMs = 60_000): Promise<Run> {
  const { folder, cluster, topic } = context
  return runContestant(contestant, {
    brokers: cluster.brokers,
    topic,
    work,
    concurrency: 10,
    isChecked: true,
    deadlineMs,
    folder,
  })
}

const WORKS: readonly Work[] = [{ kind: 'none' }, { kind: 'touch' }, { kind: 'wait', micros: 1000 }]

for (const contestant of OWN_CONTESTANTS) {
  for (const work of WORKS.filter(({ kind }) => contestant.works?.includes(kind) ?? true)) {
    test(`${contestant.id} handles every message once, in the order that it claims (${work.kind})`, async (context) => {
      const ended = await run(context, contestant, work)
      assert.is(ended.kind, 'finished', 'reason' in ended ? ended.reason : '')
      assert.ok('findings' in ended && ended.findings !== undefined)
      assert.is(ended.findings.messages, MESSAGES)
      assert.is(ended.result.messages, MESSAGES)
      assert.ok(Object.hasOwn(ended.result.versions, 'librdkafka'))
    })
  }
}

/** A program in place of a client: it has the task as `task`, and the ledger of what was produced as `produced`. */
function impostor({ topic }: Context, program: string): Contestant {
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs')
    const task = JSON.parse(process.argv[1])
    const produced = readFileSync(${JSON.stringify(topic.ledger)})
    const ends = Buffer.from(produced)
    for (let at = 4; at < ends.length; at += 16) ends.writeUInt32LE(ends.readUInt32LE(at) + 1, at)
    const pairs = []
    for (let at = 0; at < ends.length; at += 16) pairs.push(produced.subarray(at, at + 16), ends.subarray(at, at + 16))
    const result = { messages: task.messages, seconds: 1, firstMessageSeconds: 0, cpuSeconds: 1, maxRssKib: 1, versions: {} }
    const end = (records) => {
      writeFileSync(task.ledger, Buffer.concat(records))
      console.log(JSON.stringify(result))
    }
    ${program}`
  return {
    id: 'impostor',
    label: 'impostor',
    role: 'peer',
    keepsKeyOrder: true,
    concurrent: false,
    lz4: true,
    properties: {},
    command: (task) => ({ program: process.execPath, args: ['-e', script, JSON.stringify(task)] }),
  }
}

const OUTCOMES: readonly (readonly [title: string, program: string, kind: Run['kind'], reason: RegExp])[] = [
  ['that loses a message', 'end(pairs.slice(2))', 'wrong', /^1 lost/],
  ['that repeats a message', 'end([...pairs, ...pairs.slice(-2)])', 'wrong', /^1 twice/],
  ['that starts all before one ends', 'end([produced, ends])', 'wrong', /out of order/],
  ['whose ledger is cut off', 'end([...pairs, Buffer.alloc(1)])', 'failed', /middle of a record/],
  ['that writes no ledger', 'console.log(JSON.stringify(result))', 'failed', /its ledger: ENOENT/],
  ['that prints no result', 'console.log("ready")', 'failed', /no result, but: ready/],
  ['that throws', 'throw new TypeError("no such topic")', 'failed', /TypeError: no such topic/],
]

for (const [title, program, kind, reason] of OUTCOMES) {
  test(`one ${title} is shown as such`, async (context) => {
    const ended = await run(context, impostor(context, program), { kind: 'none' })
    assert.is(ended.kind, kind)
    assert.match('reason' in ended ? ended.reason : '', reason)
  })
}

for (const [title, program] of [
  ['ends itself at the deadline', 'setTimeout(() => process.exit(1), task.deadlineMs)'],
  ['does not even end itself', 'setInterval(() => undefined, 1000)'],
] as const) {
  test(`one that hangs, and ${title}, is shown as such`, async (context) => {
    assert.is((await run(context, impostor(context, program), { kind: 'none' }, 1000)).kind, 'hung')
  })
}

test('one that is right is not blamed', async (context) => {
  const ended = await run(context, impostor(context, 'end(pairs)'), { kind: 'none' })
  assert.is(ended.kind, 'finished', 'reason' in ended ? ended.reason : '')
})

test('one that claims no order is not blamed for breaking it', async (context) => {
  const unordered = { ...impostor(context, 'end([produced, ends])'), keepsKeyOrder: false }
  assert.is((await run(context, unordered, { kind: 'none' })).kind, 'finished')
})

test.run()
