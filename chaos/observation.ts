/**
 * Looks at what the group has committed, from outside and past the proxy, and notes it: the offset, and what the gap map
 * says is settled above it. What is committed is a promise to whoever comes next, so that the checker holds it against
 * what handlers had done by then.
 */
import { addon } from '../ts/native.js'
import type { LedgerWriter } from './ledger.js'

const READ_DEADLINE_MS = 3_000

export interface Progress {
  readonly partitions: readonly { readonly partition: number; readonly offset: number; readonly logEnd: number }[]
}

/** The settled offsets above the committed one, as ranges. */
function settledRanges(offset: number, metadata: string): [number, number][] {
  const { highest, gaps, format } = addon.decodeMetadata(offset, metadata, 'auto')
  if (format === 'none') return []
  const ranges: [number, number][] = []
  let from = offset
  for (const gap of gaps) {
    if (gap > from) ranges.push([from, gap - 1])
    from = gap + 1
  }
  if (highest >= from) ranges.push([from, highest])
  return ranges
}

/** undefined where the broker does not answer now. */
export async function observe(
  bootstrapServers: string,
  group: string,
  ledger: LedgerWriter,
): Promise<Progress | undefined> {
  const rows = await addon
    .readGroup({ 'bootstrap.servers': bootstrapServers }, group, READ_DEADLINE_MS)
    .catch(() => undefined)
  if (rows === undefined || rows.some(({ error }) => error !== undefined)) return undefined
  for (const { partition, offset, metadata } of rows) {
    if (offset < 0) continue
    ledger.write({ event: 'observed', partition, offset, settled: settledRanges(offset, metadata) })
  }
  return { partitions: rows.map(({ partition, offset, logEnd }) => ({ partition, offset, logEnd })) }
}
