/**
 * What the gate measures: few cases, long enough that joining the group is a small part, short enough that all take less
 * than five minutes. The cases of one group are measured in the same rounds, beside the same limit.
 */
import type { Work } from '../contestants/task.js'
import type { TopicShape } from '../harness/topic.js'

export interface CaseGroup {
  readonly title: string
  readonly shape: TopicShape
  readonly work: Work
  readonly concurrency: number
  /** The C loop, or what no client can beat where handlers wait. */
  readonly limit: 'c-loop' | 'ideal'
  readonly cases: readonly GateCase[]
}

export interface GateCase {
  /** In the file of baselines. */
  readonly id: string
  readonly title: string
  /** The contestant's id. */
  readonly contestant: string
}

const KEYS = 10_000
const PARTITIONS = 4

export const CASE_GROUPS: readonly CaseGroup[] = [
  {
    title: '100 B',
    shape: { messages: 2_000_000, valueBytes: 100, keys: KEYS, partitions: PARTITIONS },
    work: { kind: 'none' },
    concurrency: 256,
    limit: 'c-loop',
    cases: [
      { id: 'throughput-100b-sync', title: '100 B, empty handler', contestant: 'laneway-key' },
      { id: 'throughput-100b-touch', title: '100 B, reads every byte', contestant: 'laneway-key-touch' },
      { id: 'throughput-100b-async', title: '100 B, async handler', contestant: 'laneway-key-async' },
    ],
  },
  {
    title: '1 KB',
    shape: { messages: 400_000, valueBytes: 1_000, keys: KEYS, partitions: PARTITIONS },
    work: { kind: 'none' },
    concurrency: 256,
    limit: 'c-loop',
    cases: [{ id: 'throughput-1kb-sync', title: '1 KB, empty handler', contestant: 'laneway-key' }],
  },
  {
    title: 'keyed-io',
    shape: { messages: 10_000, valueBytes: 100, keys: 1_000, partitions: PARTITIONS },
    work: { kind: 'wait', micros: 10_000 },
    concurrency: 100,
    limit: 'ideal',
    cases: [{ id: 'keyed-io-10ms-100', title: 'keyed-io, 10 ms, 100 at once', contestant: 'laneway-key' }],
  },
]

export const CASES: readonly GateCase[] = CASE_GROUPS.flatMap(({ cases }) => cases)

/** The groups with these cases alone. */
export function groupsWith(ids: readonly string[]): CaseGroup[] {
  return CASE_GROUPS.map((group) => ({ ...group, cases: group.cases.filter(({ id }) => ids.includes(id)) })).filter(
    ({ cases }) => cases.length > 0,
  )
}
