/** The topic that a benchmark consumes: created, filled by a C producer, deleted afterwards. */
import { randomBytes } from 'node:crypto'
import { createTopic, deleteTopic, type Endpoint } from '../test/broker/topic-admin.js'
import { cProgram } from './contestants.js'
import { runProcess } from './run-process.js'

const TOPIC_DEADLINE_MS = 30_000
const FILL_DEADLINE_MS = 15 * 60_000

export interface TopicShape {
  readonly messages: number
  readonly valueBytes: number
  readonly keys: number
  readonly partitions: number
}

export interface FilledTopic {
  readonly name: string
  /** Of every byte of every key and value; the same for every order of the messages. */
  readonly checksum: string
}

/** The first of `host:port,host:port`. */
function firstEndpoint(brokers: string): Endpoint {
  const match = /^\s*([^,]+):(\d+)/.exec(brokers)
  if (match?.[1] === undefined) throw new Error(`brokers are host:port, not "${brokers}"`)
  return { host: match[1], port: Number(match[2]) }
}

export async function fillTopic(brokers: string, shape: TopicShape): Promise<FilledTopic> {
  const name = `laneway-bench-${randomBytes(4).toString('hex')}`
  await createTopic(firstEndpoint(brokers), name, { partitions: shape.partitions }, TOPIC_DEADLINE_MS)
  const what = ['-n', shape.messages, '-s', shape.valueBytes, '-k', shape.keys].map(String)
  const producer = { program: cProgram('laneway_c_produce'), args: ['-b', brokers, '-t', name, ...what] }
  const ending = await runProcess(producer, FILL_DEADLINE_MS)
  if (ending.kind !== 'ended') throw new Error(`the topic could not be filled: ${ending.reason}`)
  const checksum = /"checksum":"([0-9a-f]+)"/.exec(ending.lines.join('\n'))?.[1]
  if (checksum === undefined) throw new Error('the producer printed no checksum')
  return { name, checksum }
}

export async function dropTopic(brokers: string, name: string): Promise<void> {
  await deleteTopic(firstEndpoint(brokers), name, TOPIC_DEADLINE_MS)
}
