/** The micro benchmarks, in the order of the table. */
import { boundary } from './boundary.js'
import { gapCodecs } from './gap-codecs.js'
import { lanes } from './lanes.js'
import type { Suite } from './suite.js'
import { tracker } from './tracker.js'
import { viewAccess } from './view-access.js'

export const SUITES: readonly Suite[] = [tracker, gapCodecs, lanes, boundary, viewAccess]
