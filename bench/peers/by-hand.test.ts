/** The peer "by hand". */
import { byHand } from './by-hand.js'
import { testPeer } from './peer-tests.js'

await testPeer(byHand)
