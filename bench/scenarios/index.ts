/** Every scenario, in the order in which they are listed. */
import { keyedCpu } from './keyed-cpu.js'
import { keyedIo } from './keyed-io.js'
import { manyKeys } from './many-keys.js'
import { manyPartitions } from './many-partitions.js'
import type { Scenario } from './scenario.js'
import { throughput } from './throughput.js'

export const SCENARIOS: readonly Scenario[] = [throughput, keyedIo, keyedCpu, manyKeys, manyPartitions]
