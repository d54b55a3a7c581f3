/**
 * The cluster that a benchmark runs on: one that the user names, else a real Kafka that is started for it, else
 * librdkafka's mock, whose figures say nothing about Kafka.
 */
import { MockBroker } from 'laneway/testing'
import { brokerAvailability, kafkaVersion, startBroker } from '../../test/broker/broker.js'
import { createTopic, deleteTopic, type Endpoint } from '../../test/broker/topic-admin.js'

const TOPIC_DEADLINE_MS = 30_000
/** The mock drops the oldest messages of a partition above 5 MB. Keys are hashed, so partitions are not quite equal. */
const MOCK_PARTITION_BYTES = 4_000_000
const MOCK_MESSAGE_OVERHEAD_BYTES = 32

export interface Cluster extends AsyncDisposable {
  readonly brokers: string
  readonly description: string
  /** The most messages of this size that a topic can keep. */
  capacity(valueBytes: number, partitions: number): number
  createTopic(name: string, partitions: number): Promise<void>
  deleteTopic(name: string): Promise<void>
}

export async function openCluster(brokers: string | undefined, say: (line: string) => void): Promise<Cluster> {
  if (brokers !== undefined) return kafkaAt(brokers, 'a cluster that was running', async () => undefined)
  const availability = await brokerAvailability()
  if (!availability.available) {
    say(`NO REAL BROKER: ${availability.reason}`)
    say("measuring on librdkafka's mock cluster instead: compare nothing with figures from a real one")
    return mockCluster()
  }
  const kafka = `Apache Kafka ${await kafkaVersion()}`
  say(`starting ${kafka}`)
  const broker = await startBroker({ heap: '1g' })
  return kafkaAt(broker.bootstrapServers, `${kafka} on the same machine`, () => broker.stop())
}

function kafkaAt(brokers: string, description: string, close: () => Promise<void>): Cluster {
  const endpoint = firstEndpoint(brokers)
  return {
    brokers,
    description,
    capacity: () => Number.POSITIVE_INFINITY,
    createTopic: (name, partitions) => createTopic(endpoint, name, { partitions }, TOPIC_DEADLINE_MS),
    deleteTopic: (name) => deleteTopic(endpoint, name, TOPIC_DEADLINE_MS),
    [Symbol.asyncDispose]: close,
  }
}

/** The first of `host:port,host:port`. */
function firstEndpoint(brokers: string): Endpoint {
  const match = /^\s*([^,\s]+):(\d{1,5})\s*(,|$)/.exec(brokers)
  if (match?.[1] === undefined) throw new Error(`brokers are host:port, not "${brokers}"`)
  return { host: match[1], port: Number(match[2]) }
}

export function mockCluster(): Cluster {
  const mock = new MockBroker()
  return {
    brokers: mock.bootstrapServers,
    description: "librdkafka's mock cluster, NOT Kafka",
    capacity: (valueBytes, partitions) =>
      Math.floor((partitions * MOCK_PARTITION_BYTES) / (valueBytes + MOCK_MESSAGE_OVERHEAD_BYTES)),
    createTopic: async (name, partitions) => mock.createTopic(name, partitions),
    deleteTopic: async () => undefined,
    [Symbol.asyncDispose]: async () => mock.close(),
  }
}
