/**
 * The peer `@platformatic/kafka`: its stream, in the three ways of its README. It reads lz4. It needs a newer Node than
 * laneway does: where the benchmark runs on an older one, it runs on the release that laneway's packages are tried on.
 */
import { join } from 'node:path'
import { nodeFolder } from '../../test/packaging/node-releases.js'
import { installNpm } from './install-npm.js'
import { nodePeer, type Way } from './node-peer.js'

const NODE_MAJOR = 24

const stream = {
  lz4: true,
  properties: {},
  program: new URL('./platformatic-kafka/consume.js', import.meta.url),
} as const

const WAYS: readonly Way[] = [
  {
    ...stream,
    id: 'platformatic-kafka-for-await',
    label: '@platformatic/kafka, for await',
    keepsKeyOrder: true,
    concurrent: false,
    args: ['for-await'],
  },
  {
    ...stream,
    id: 'platformatic-kafka-events',
    label: '@platformatic/kafka, data events',
    keepsKeyOrder: false,
    concurrent: true,
    args: ['events'],
  },
  {
    ...stream,
    id: 'platformatic-kafka-for-each',
    label: "@platformatic/kafka, hwp's forEach",
    keepsKeyOrder: false,
    concurrent: true,
    args: ['for-each'],
  },
]

async function supportedNode(): Promise<string> {
  const [major] = process.versions.node.split('.')
  return Number(major) >= NODE_MAJOR ? process.execPath : join(await nodeFolder(NODE_MAJOR), 'node')
}

export const platformaticKafka = nodePeer('platformatic-kafka', WAYS, async (say) => ({
  folder: await installNpm('platformatic-kafka', say),
  node: await supportedNode(),
}))
