/** The topic that a benchmark consumes, filled by a C producer. */
import { randomBytes } from 'node:crypto'
import type { Cluster } from './cluster.js'
import { cProgram } from './contestants.js'
import { runProcess } from './run-process.js'

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

export async function fillTopic(cluster: Cluster, shape: TopicShape): Promise<FilledTopic> {
  const name = `laneway-bench-${randomBytes(4).toString('hex')}`
  await cluster.createTopic(name, shape.partitions)
  const what = ['-n', shape.messages, '-s', shape.valueBytes, '-k', shape.keys].map(String)
  const producer = { program: cProgram('laneway_c_produce'), args: ['-b', cluster.brokers, '-t', name, ...what] }
  const ending = await runProcess(producer, FILL_DEADLINE_MS)
  if (ending.kind !== 'ended') throw new Error(`the topic could not be filled: ${ending.reason}`)
  const checksum = /"checksum":"([0-9a-f]+)"/.exec(ending.lines.join('\n'))?.[1]
  if (checksum === undefined) throw new Error('the producer printed no checksum')
  return { name, checksum }
}
