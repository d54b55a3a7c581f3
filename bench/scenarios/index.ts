/** Every scenario, in the order in which they are listed. */
import { engines } from './engines.js'
import { exactlyOnce } from './exactly-once.js'
import { keyedCpu } from './keyed-cpu.js'
import { keyedIo } from './keyed-io.js'
import { manyKeys } from './many-keys.js'
import { manyPartitions } from './many-partitions.js'
import type { Scenario } from './scenario.js'
import { stalledHead } from './stalled-head.js'
import { throughput } from './throughput.js'

export const SCENARIOS: readonly Scenario[] = [
  throughput,
  keyedIo,
  keyedCpu,
  stalledHead,
  manyKeys,
  manyPartitions,
  exactlyOnce,
  engines,
]
