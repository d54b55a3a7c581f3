/** Every peer, in the order of the tables. */
import { byHand } from './by-hand.js'
import { confluentParallelConsumer } from './confluent-parallel-consumer.js'
import { kafkaJavascript } from './kafka-javascript.js'
import { kafkajs } from './kafkajs.js'
import { kpipe } from './kpipe.js'
import type { Peer } from './peer.js'
import { platformaticKafka } from './platformatic-kafka.js'
import { pyrallel } from './pyrallel.js'

export const PEERS: readonly Peer[] = [
  kafkaJavascript,
  byHand,
  kafkajs,
  platformaticKafka,
  confluentParallelConsumer,
  kpipe,
  pyrallel,
]
