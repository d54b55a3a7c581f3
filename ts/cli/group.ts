/**
 * `laneway group`: what a group has committed, and what its gap maps say. It reads any group: metadata that is not
 * laneway's or Confluent's is said to be foreign, and is never an error.
 */
import type { Command } from 'commander'
import { LanewayError, translate, translateAsync } from '../errors.js'
import { addon, type RawGapMap, type RawGroupPartition } from '../native.js'
import { property, wholeNumber } from './options.js'
import { formatCount, formatTable, gapPicture, writeJson } from './terminal.js'

interface GroupOptions {
  readonly brokers: string
  readonly group: string
  readonly timeout: number
  readonly property: Readonly<Record<string, string>>
  readonly json: boolean
}

interface PartitionReport {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly logStart: number
  readonly logEnd: number
  readonly lag: number
  /** `corrupt`: laneway's or Confluent's, but it does not decode. */
  readonly format: 'none' | 'laneway' | 'confluent' | 'foreign' | 'corrupt'
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

function readMap({ offset, metadata }: RawGroupPartition): RawGapMap | LanewayError {
  try {
    return translate(() => addon.decodeMetadata(offset, metadata, 'auto'))
  } catch (error) {
    if (LanewayError.is(error)) return error
    throw error
  }
}

function read(partition: RawGroupPartition): ReadPartition {
  const { topic, partition: number, offset, logStart, logEnd, error } = partition
  const map = readMap(partition)
  const isRead = !(map instanceof LanewayError)
  const unread = !isRead && map.code === 'METADATA_FOREIGN' ? 'foreign' : 'corrupt'
  const note = error?.message ?? (isRead ? undefined : map.message)
  const report: PartitionReport = {
    topic,
    partition: number,
    offset,
    logStart,
    logEnd,
    lag: logEnd < 0 ? -1 : Math.max(logEnd - Math.max(offset, logStart), 0),
    format: isRead ? map.format : unread,
    highestSettled: Math.max(isRead ? map.highest : offset - 1, -1),
    gaps: isRead ? map.gaps.length : 0,
    ...(note === undefined ? {} : { note }),
  }
  return { report, map: isRead ? map : undefined }
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
  program
    .command('group')
    .description('Show every committed partition of a group: offset, lag, and the gaps above it.')
    .requiredOption('--brokers <list>', 'bootstrap servers, comma-separated')
    .requiredOption('--group <id>', 'consumer group')
    .option('--timeout <ms>', 'how long to wait for the cluster', wholeNumber(1, 600_000), 10_000)
    .option('-X, --property <name=value>', 'librdkafka property; may be given several times', property, {})
    .option('--json', 'print one JSON document', false)
    .action(async (options: GroupOptions) => {
      const properties = { ...options.property, 'bootstrap.servers': options.brokers }
      const raw = await translateAsync(addon.readGroup(properties, options.group, options.timeout))
      const partitions = raw.map(read)
      if (options.json) writeJson({ group: options.group, partitions: partitions.map(({ report }) => report) })
      else if (partitions.length === 0) process.stdout.write(`group ${options.group} has committed nothing\n`)
      else process.stdout.write(show(partitions))
    })
}
