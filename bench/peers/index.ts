/** Every peer, in the order of the tables. */
import { byHand } from './by-hand.js'
import { kafkaJavascript } from './kafka-javascript.js'
import { kafkajs } from './kafkajs.js'
import type { Peer } from './peer.js'
import { platformaticKafka } from './platformatic-kafka.js'

export const PEERS: readonly Peer[] = [kafkaJavascript, byHand, kafkajs, platformaticKafka]
