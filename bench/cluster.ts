/**
 * The cluster that a benchmark runs on: one that the user names, else a real Kafka that is started for it, else
 * librdkafka's mock, whose figures say nothing about Kafka.
 */
import { brokerAvailability, kafkaVersion, startBroker } from '../test/broker/broker.js'

export interface Cluster extends AsyncDisposable {
  readonly brokers: string
  readonly description: string
  /** What the cluster can keep. */
  readonly maxMessages: number
}

export async function openCluster(brokers: string | undefined, say: (line: string) => void): Promise<Cluster> {
  if (brokers !== undefined) {
    const description = 'a cluster that was running'
    return { brokers, description, maxMessages: Number.POSITIVE_INFINITY, [Symbol.asyncDispose]: async () => undefined }
  }
  const availability = await brokerAvailability()
  if (!availability.available) throw new Error(availability.reason)
  const kafka = `Apache Kafka ${await kafkaVersion()}`
  say(`starting ${kafka}`)
  const broker = await startBroker({ heap: '1g' })
  return {
    brokers: broker.bootstrapServers,
    description: `${kafka} on the same machine`,
    maxMessages: Number.POSITIVE_INFINITY,
    [Symbol.asyncDispose]: () => broker.stop(),
  }
}
