/** Every scenario, in the order in which they are listed. */
import { bigLagStart } from './big-lag-start.js'
import { engines } from './engines.js'
import { exactlyOnce } from './exactly-once.js'
import { hotKey } from './hot-key.js'
import { keyedCpu } from './keyed-cpu.js'
import { keyedIo } from './keyed-io.js'
import { latency } from './latency.js'
import { manyKeys } from './many-keys.js'
import { manyPartitions } from './many-partitions.js'
import { restart } from './restart.js'
import type { Scenario } from './scenario.js'
import { soak } from './soak.js'
import { stalledHead } from './stalled-head.js'
import { throughput } from './throughput.js'

export const SCENARIOS: readonly Scenario[] = [
  throughput,
  keyedIo,
  keyedCpu,
  latency,
  hotKey,
  stalledHead,
  manyKeys,
  manyPartitions,
  bigLagStart,
  restart,
  exactlyOnce,
  engines,
  soak,
]
