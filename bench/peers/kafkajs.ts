/**
 * The peer `kafkajs`. It reads no lz4 by itself. "Consuming Messages", the page of its documentation, advises to try
 * numbers of `partitionsConsumedConcurrently` up to that of the partitions: both APIs take part with one and with four.
 */
import { installNpm } from './install-npm.js'
import { nodePeer, type Way } from './node-peer.js'

const client = {
  keepsKeyOrder: true,
  concurrent: false,
  lz4: false,
  properties: {},
  program: new URL('./kafkajs/consume.js', import.meta.url),
} as const

const WAYS: readonly Way[] = [
  { ...client, id: 'kafkajs-each-message', label: 'kafkajs eachMessage', args: ['each-message', '1'] },
  {
    ...client,
    id: 'kafkajs-each-message-4',
    label: 'kafkajs eachMessage, 4 partitions at once',
    args: ['each-message', '4'],
  },
  { ...client, id: 'kafkajs-each-batch', label: 'kafkajs eachBatch', args: ['each-batch', '1'] },
  {
    ...client,
    id: 'kafkajs-each-batch-4',
    label: 'kafkajs eachBatch, 4 partitions at once',
    args: ['each-batch', '4'],
  },
]

export const kafkajs = nodePeer('kafkajs', WAYS, async (say) => ({
  folder: await installNpm('kafkajs', say),
  node: process.execPath,
}))
