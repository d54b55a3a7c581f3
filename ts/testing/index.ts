/**
 * `laneway/testing`: an embedded broker and a producer, for users' tests and for the demo. The broker is librdkafka's
 * mock cluster: real sockets on loopback, groups and commits, but no durability, no TLS, and only about the last 5 MB of
 * each partition. Where a group has become empty, its next member waits `session.timeout.ms` less a second (44 s by
 * default): set 1,500 ms, and `heartbeat.interval.ms` 300, in tests that restart consumers.
 */
export {
  type ContractCase,
  type EngineContract,
  type EngineSetting,
  engineContract,
} from './engine-contract/engine-contract.js'
export { MockBroker } from './mock-broker.js'
export {
  type LedgerLine,
  type ObedientOptions,
  type Orders,
  obedientHandler,
  obedientHandlerModule,
} from './obedient-handler.js'
export { TestProducer, type TestRecord } from './test-producer.js'
export { createTopics, type NewTopic } from './topics.js'
