/** The peer @platformatic/kafka. */

import { testPeer } from './peer-tests.js'
import { platformaticKafka } from './platformatic-kafka.js'

await testPeer(platformaticKafka)
