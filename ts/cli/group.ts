/**
 * `laneway group`: what a group has committed, and what its gap maps say. It reads any group: metadata that is not
 * laneway's or Confluent's is said to be foreign, and is never an error.
 */
import type { Command } from 'commander'
import { translateAsync } from '../errors.js'
import { addon, type RawGapMap, type RawGroupPartition } from '../native.js'
import { readMetadata, type SeenFormat } from './commit-metadata.js'
import { addGroupChanges } from './group-change.js'
import { type GroupOptions, targetOf } from './group-target.js'
import { property, wholeNumber } from './options.js'
import { formatCount, formatTable, gapPicture, writeJson } from './terminal.js'

interface PartitionReport {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly logStart: number
  readonly logEnd: number
  readonly lag: number
  readonly format: SeenFormat
  /** One below the offset where nothing above it is settled; -1 where nothing is known. */
  readonly highestSettled: number
  readonly gaps: number
  readonly note?: string
}

const PICTURE_WIDTH = 64

interface ReadPartition {
  readonly report: PartitionReport
  readonly map: RawGapMap | undefined
}

function read(partition: RawGroupPartition): ReadPartition {
  const { topic, partition: number, offset, logStart, logEnd, error } = partition
  const { format, map, problem } = readMetadata(offset, partition.metadata)
  const note = error?.message ?? problem
  const report: PartitionReport = {
    topic,
    partition: number,
    offset,
    logStart,
    logEnd,
    lag: logEnd < 0 ? -1 : Math.max(logEnd - Math.max(offset, logStart), 0),
    format,
    highestSettled: Math.max(map?.highest ?? offset - 1, -1),
    gaps: map?.gaps.length ?? 0,
    ...(note === undefined ? {} : { note }),
  }
  return { report, map }
}

function show(partitions: readonly ReadPartition[]): string {
  const head = ['topic', 'partition', 'offset', 'log end', 'lag', 'metadata', 'highest settled', 'gaps']
  const rows = partitions.map(({ report }) => [
    report.topic,
    String(report.partition),
    formatCount(report.offset),
    formatCount(report.logEnd),
    formatCount(report.lag),
    report.format,
    formatCount(report.highestSettled),
    formatCount(report.gaps),
  ])
  const lines = formatTable([head, ...rows]).split('\n')
  const shown = partitions.flatMap(({ report, map }, i) => {
    const line = lines[i + 1] ?? ''
    const picture = map === undefined ? '' : gapPicture(map.base, map.highest, map.gaps, PICTURE_WIDTH)
    const span = picture === '' ? [] : [`  ${report.offset} ${picture} ${report.highestSettled}`]
    return [line, ...span, ...(report.note === undefined ? [] : [`  ${report.note}`])]
  })
  return [lines[0] ?? '', ...shown, ''].join('\n')
}

export function addGroup(program: Command): void {
  const group = program
    .command('group')
    .description('Show every committed partition of a group: offset, lag, and the gaps above it; or change them.')
    .configureHelp({ showGlobalOptions: true })
    .requiredOption('--brokers <list>', 'bootstrap servers, comma-separated')
    .requiredOption('--group <id>', 'consumer group')
    .option('--timeout <ms>', 'how long to wait for each answer of the cluster', wholeNumber(1, 600_000), 10_000)
    .option('-X, --property <name=value>', 'librdkafka property; may be given several times', property, {})
    .option('--json', 'print one JSON document', false)
    .action(async (options: GroupOptions) => {
      const { properties, group: id, timeoutMs } = targetOf(options)
      const raw = await translateAsync(addon.readGroup(properties, id, timeoutMs))
      const partitions = raw.map(read)
      if (options.json) writeJson({ group: id, partitions: partitions.map(({ report }) => report) })
      else if (partitions.length === 0) process.stdout.write(`group ${id} has committed nothing\n`)
      else process.stdout.write(show(partitions))
    })
  addGroupChanges(group)
}
