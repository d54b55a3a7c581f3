/** The peer @confluentinc/kafka-javascript. */
import { kafkaJavascript } from './kafka-javascript.js'
import { testPeer } from './peer-tests.js'

await testPeer(kafkaJavascript)
