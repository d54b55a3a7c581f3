/** The peer Confluent Parallel Consumer. */
import { confluentParallelConsumer } from './confluent-parallel-consumer.js'
import { testPeer } from './peer-tests.js'

await testPeer(confluentParallelConsumer)
