/**
 * The peer "by hand": what users write on `@confluentinc/kafka-javascript` to handle the keys of a partition side by
 * side.
 */
import { TUNED_PROPERTIES } from '../contestants/registry.js'
import { installKafkaJavascript } from './kafka-javascript/install.js'
import { atDefaults, LARGE_BATCHES } from './kafka-javascript.js'
import { nodePeer, type Way } from './node-peer.js'

const byKey: Way = {
  id: 'by-hand',
  label: 'by hand: a promise chain per key in eachBatch',
  keepsKeyOrder: true,
  concurrent: true,
  lz4: true,
  // The larger its batches, the less often it waits for the last message of one.
  properties: { ...TUNED_PROPERTIES, ...LARGE_BATCHES },
  program: new URL('./by-hand/consume.js', import.meta.url),
  args: [],
}

export const byHand = nodePeer('by-hand', [byKey, atDefaults(byKey)], async (say) => ({
  folder: await installKafkaJavascript(say),
  node: process.execPath,
}))
