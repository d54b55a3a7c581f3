/** The peer kafkajs. */
import { kafkajs } from './kafkajs.js'
import { testPeer } from './peer-tests.js'

await testPeer(kafkajs)
