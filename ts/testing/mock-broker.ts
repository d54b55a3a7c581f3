/**
 * An embedded broker: librdkafka's mock cluster. Real sockets on loopback, groups and commits, but no durability, no TLS,
 * no transactions, and only about the last 5 MB of each partition.
 */
import { translate } from '../errors.js'
import { addon, type RawMockCluster } from '../native.js'

/** A Kafka cluster inside this process, on loopback. */
export class MockBroker implements Disposable {
  readonly #raw: RawMockCluster
  /** For `bootstrap.servers`. */
  readonly bootstrapServers: string

  /** @param brokers how many (default 1) */
  constructor(brokers = 1) {
    this.#raw = translate(() => new addon.MockCluster(brokers))
    this.bootstrapServers = this.#raw.bootstrapServers
  }

  createTopic(topic: string, partitions = 1): void {
    translate(() => this.#raw.createTopic(topic, partitions))
  }

  close(): void {
    this.#raw.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
