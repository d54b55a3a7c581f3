/** The topic that a benchmark consumes, filled by a C producer, with the ledger of what it produced. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { cProgram } from '../contestants/c-program.js'
import type { Cluster } from './cluster.js'
import { type Command, runProcess } from './live-process.js'

const FILL_DEADLINE_MS = 15 * 60_000

/** Which key a message has: all alike, key 0 most often by Zipf's law, or a percentage on the first few. */
export type KeyChoice =
  | { readonly kind: 'uniform' }
  | { readonly kind: 'zipf'; readonly exponent: number }
  | { readonly kind: 'celebrities'; readonly keys: number; readonly percent: number }

export interface TopicShape {
  readonly messages: number
  readonly valueBytes: number
  readonly keys: number
  readonly partitions: number
  /** Uniform where absent. */
  readonly choice?: KeyChoice
  /** lz4 where absent. */
  readonly compression?: 'lz4' | 'none'
}

/** How a topic is produced to. */
export interface Production extends Omit<TopicShape, 'partitions'> {
  readonly topic: string
  /** The file that notes every message, and when it was produced, or was due. */
  readonly ledger: string
  /** Messages before the others; then the producer prints WARMED_UP_LINE and waits for a line. */
  readonly warmUp?: number
  /** An open loop at this rate; absent: as fast as it goes. */
  readonly perSecond?: number
}

/** The line that the producer prints when its warm-up has been delivered. */
export const WARMED_UP_LINE = JSON.stringify({ event: 'warmed-up' })

function choiceArgs(choice: KeyChoice): (string | number)[] {
  switch (choice.kind) {
    case 'uniform':
      return []
    case 'zipf':
      return ['-z', choice.exponent]
    case 'celebrities':
      return ['-c', `${choice.keys}:${choice.percent}`]
  }
}

export function producerCommand(brokers: string, production: Production): Command {
  const { topic, ledger, messages, valueBytes, keys, warmUp, perSecond } = production
  const { choice = { kind: 'uniform' }, compression = 'lz4' } = production
  const args = [
    ...['-b', brokers, '-t', topic, '-L', ledger, '-n', messages, '-s', valueBytes, '-k', keys, '-C', compression],
    ...choiceArgs(choice),
    ...(warmUp === undefined ? [] : ['-w', warmUp]),
    ...(perSecond === undefined ? [] : ['-R', perSecond]),
  ]
  return { program: cProgram('laneway_c_produce'), args: args.map(String) }
}

export interface FilledTopic {
  readonly name: string
  readonly shape: TopicShape
  /** Of the producer. */
  readonly ledger: string
}

/** `folder` gets the ledger. */
export async function fillTopic(cluster: Cluster, shape: TopicShape, folder: string): Promise<FilledTopic> {
  const name = `laneway-bench-${randomBytes(4).toString('hex')}`
  await cluster.createTopic(name, shape.partitions)
  const ledger = join(folder, `${name}.produced`)
  const ending = await runProcess(producerCommand(cluster.brokers, { ...shape, topic: name, ledger }), FILL_DEADLINE_MS)
  if (ending.kind !== 'ended') throw new Error(`the topic could not be filled: ${ending.reason}`)
  return { name, shape, ledger }
}
