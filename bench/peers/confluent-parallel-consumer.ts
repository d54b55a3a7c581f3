/**
 * The peer Confluent Parallel Consumer, in each of its orders. Its JVM runs at its defaults (a heap of at most a quarter
 * of the memory): its README says nothing about them, and the result states what the JVM has chosen.
 */
import { javaProgram } from '../../test/broker/kafka-jars.js'
import type { Contestant } from '../contestants/registry.js'
import { installJava, type JavaPeer } from './install-java.js'
import type { Peer } from './peer.js'

const NAME = 'confluent-parallel-consumer'
const RELEASE = 17

const ORDERS = [
  { id: `${NAME}-key`, order: 'KEY', keepsKeyOrder: true },
  { id: `${NAME}-partition`, order: 'PARTITION', keepsKeyOrder: true },
  { id: `${NAME}-unordered`, order: 'UNORDERED', keepsKeyOrder: false },
] as const

type Order = (typeof ORDERS)[number]

function contestant({ id, order, keepsKeyOrder }: Order, { java, classPath }: JavaPeer): Contestant {
  return {
    id,
    label: `Confluent Parallel Consumer, ${order}`,
    role: 'peer',
    keepsKeyOrder,
    concurrent: order !== 'PARTITION',
    lz4: true,
    properties: {},
    command: (task) => ({
      program: java,
      args: [
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        ...['-cp', classPath, 'ParallelConsumerPeer'],
        ...[JSON.stringify(task), order],
      ],
    }),
  }
}

export const confluentParallelConsumer: Peer = {
  name: NAME,
  ids: ORDERS.map(({ id }) => id),
  prepare: async (say) => {
    const installed = await installJava(NAME, { findJava: async () => javaProgram(), release: RELEASE }, say)
    return ORDERS.map((order) => contestant(order, installed))
  },
}
