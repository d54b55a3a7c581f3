/** The peer Pyrallel Consumer. */
import { testPeer } from './peer-tests.js'
import { pyrallel } from './pyrallel.js'

await testPeer(pyrallel)
