/**
 * The tests of a peer, the same for every one: each of its contestants handles what is in a topic of a real broker, once,
 * in the order that it claims, and commits it. They install the peer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { brokerAvailability } from '../../test/broker/broker.js'
import { addon } from '../../ts/native.js'
import type { Contestant } from '../contestants/registry.js'
import { FIRST_MESSAGE_LINE, parseResult, type Task, type Work } from '../contestants/task.js'
import { type Cluster, openCluster } from '../harness/cluster.js'
import { checkLedger, faultsOf, type Ledger, readLedger } from '../harness/ledger.js'
import { runProcess } from '../harness/live-process.js'
import { type FilledTopic, fillTopic } from '../harness/topic.js'
import type { Peer } from './peer.js'

const PARTITIONS = 4
const SHAPE = { messages: 3000, valueBytes: 100, keys: 100, partitions: PARTITIONS } as const
const CONCURRENCY = 50
const DEADLINE_MS = 120_000
const WORKS: readonly Work[] = [{ kind: 'touch' }, { kind: 'wait', micros: 1000 }]

const tell = (line: string): void => void process.stderr.write(`${line}\n`)

/** What the tests of one peer share. */
interface Scene {
  cluster: Cluster
  folder: string
  contestants: readonly Contestant[]
  topics: Readonly<Record<'lz4' | 'none', FilledTopic>>
}

/** Of handlers, by the order of a ledger's records. */
function mostAtOnce(ledger: Ledger): number {
  let running = 0
  let most = 0
  for (let record = 0; record < ledger.length; record += 1) {
    running += ledger.isEnd(record) ? -1 : 1
    most = Math.max(most, running)
  }
  return most
}

async function committed(brokers: string, group: string): Promise<number> {
  const partitions = await addon.readGroup({ 'bootstrap.servers': brokers }, group, DEADLINE_MS)
  return partitions.reduce((sum, { offset }) => sum + offset, 0)
}

async function checkContestant({ cluster, folder, topics }: Scene, contestant: Contestant, work: Work): Promise<void> {
  const topic = topics[contestant.lz4 ? 'lz4' : 'none']
  const group = `${contestant.id}-${work.kind}`
  const ledger = join(folder, group)
  const task: Task = {
    brokers: cluster.brokers,
    topic: topic.name,
    group,
    messages: SHAPE.messages,
    properties: contestant.properties,
    work,
    concurrency: CONCURRENCY,
    ledger,
    flush: 'end',
    deadlineMs: DEADLINE_MS,
  }
  const ending = await runProcess(contestant.command(task), DEADLINE_MS)
  if (ending.kind !== 'ended') throw new Error(`${contestant.id} with work "${work.kind}": ${ending.reason}`)

  const results = ending.lines.map(parseResult).filter((result) => result !== undefined)
  assert.is(ending.lines[0], FIRST_MESSAGE_LINE)
  assert.equal(
    results.map(({ messages }) => messages),
    [SHAPE.messages],
  )
  assert.ok(Object.keys(results[0]?.versions ?? {}).length > 0, 'it prints versions')

  const handled = await readLedger(ledger)
  assert.equal(faultsOf(checkLedger(await readLedger(topic.ledger), handled), contestant), [])
  assert.is(await committed(cluster.brokers, group), SHAPE.messages, 'everything is committed')
  if (work.kind !== 'wait') return
  const most = mostAtOnce(handled)
  if (contestant.concurrent) assert.ok(most > PARTITIONS, `handlers of one partition run at once: ${most}`)
  else assert.ok(most <= PARTITIONS, `handlers of one partition never run at once: ${most}`)
}

export async function testPeer(peer: Peer): Promise<void> {
  const availability = await brokerAvailability()
  if (!availability.available) tell(`SKIPPED, no broker: ${availability.reason}`)
  const tests = suite<Scene>(peer.name)
  tests.before(async (scene) => {
    if (!availability.available) return
    scene.contestants = await peer.prepare(tell)
    scene.folder = await mkdtemp(join(tmpdir(), 'laneway-peer-'))
    scene.cluster = await openCluster(undefined, tell)
    scene.topics = {
      lz4: await fillTopic(scene.cluster, SHAPE, scene.folder),
      none: await fillTopic(scene.cluster, { ...SHAPE, compression: 'none' }, scene.folder),
    }
  })
  tests.after(async ({ cluster, folder }) => {
    await cluster?.[Symbol.asyncDispose]()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })
  const peerTest = availability.available ? tests : tests.skip
  for (const id of peer.ids) {
    peerTest(`${id} handles and commits every message, once, as ordered as it claims`, async (scene) => {
      const contestant = scene.contestants.find((each) => each.id === id)
      if (contestant === undefined) throw new Error(`${peer.name} has no contestant ${id}`)
      for (const work of WORKS) {
        if (contestant.works?.includes(work.kind) ?? true) await checkContestant(scene, contestant, work)
      }
    })
  }
  tests.run()
}
