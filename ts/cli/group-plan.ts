/**
 * What a skip, a seek or a reset would change, partition by partition: computed before anything is written, so that what
 * is shown is what is done. The text of the new commit is part of it, because a gap map that must be cut to fit changes
 * what runs again.
 */
import { fromRaw, LanewayError } from '../errors.js'
import type { RawFailure, RawGroupCommit, RawGroupPartition, RawTopicPartition } from '../native.js'
import {
  formOf,
  type MetadataForm,
  readMetadata,
  type SeenFormat,
  type WrittenMetadata,
  writeMetadata,
} from './commit-metadata.js'
import { committable, difference, type LogBounds, type Settled, settledBelow } from './settled.js'
import { formatCount, formatTable, gapPicture } from './terminal.js'

/** Kafka's default of offset.metadata.max.bytes; a lower limit shows when the broker refuses. */
const DEFAULT_MAX_UNITS = 4_096
/** Below this a gap map says too little to be worth another try. */
const MIN_UNITS = 16
const PICTURE_WIDTH = 64

/** What a group has committed for a partition. */
export interface Committed {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly format: SeenFormat
  readonly settled: Settled
}

export interface PartitionPlan extends RawTopicPartition {
  readonly log: LogBounds
  /** Absent where the group has committed nothing. */
  readonly before?: Committed
  readonly wanted: Settled
  readonly form: MetadataForm
  /** What the commit says: `wanted`, or less where it does not fit. */
  readonly after: WrittenMetadata
}

export function committedOf({ offset, leaderEpoch, metadata }: RawGroupPartition): Committed {
  const { format, map } = readMetadata(offset, metadata)
  const settled = map === undefined ? settledBelow(offset) : { end: map.highest + 1, gaps: map.gaps }
  return { offset, leaderEpoch, metadata, format, settled }
}

export interface Where extends RawTopicPartition {
  readonly log: LogBounds
  readonly before?: Committed
}

export function planOf(where: Where, wanted: Settled): PartitionPlan {
  const { before } = where
  const form = formOf(before?.format ?? 'none', before?.metadata ?? '')
  // A broker that has taken more takes more.
  const maxUnits = Math.max(DEFAULT_MAX_UNITS, before?.metadata.length ?? 0)
  return { ...where, wanted, form, after: writeMetadata(wanted, form, maxUnits) }
}

/** The same with metadata of at most half the length; without any where that says too little. */
export function shorter(plan: PartitionPlan): PartitionPlan {
  const half = Math.floor(plan.after.units / 2)
  return { ...plan, after: writeMetadata(plan.wanted, plan.form, half < MIN_UNITS ? 0 : half) }
}

export function isChange({ before, after }: PartitionPlan): boolean {
  return before?.offset !== committable(after.settled) || before.metadata !== after.metadata
}

/** What is to be written. */
export function commitOf({ topic, partition, before, after }: PartitionPlan): RawGroupCommit {
  const offset = committable(after.settled)
  // The epoch belongs to the message before the offset: a wrong one looks like a truncated log.
  const leaderEpoch = before?.offset === offset ? before.leaderEpoch : -1
  return { topic, partition, offset, leaderEpoch, metadata: after.metadata }
}

export function nameOf({ topic, partition }: RawTopicPartition): string {
  return `${topic}/${partition}`
}

/** Refuses an offset that no message has or that is settled already. */
export function checkSkippable(where: Where, settled: Settled, offset: number): void {
  const { log } = where
  const refuse = (why: string): never => {
    const { topic, partition } = where
    throw new LanewayError('OFFSET_INVALID', `offset ${offset} of ${nameOf(where)} cannot be skipped: ${why}`, {
      details: { topic, partition, offset },
    })
  }
  const from = committable(settled)
  if (offset < from) refuse(`it lies below the committed offset ${from}`)
  if (offset < settled.end && !settled.gaps.includes(offset)) refuse('it is settled already')
  if (offset < log.start) refuse(`the log starts at ${log.start}`)
  if (offset >= log.end) refuse(`the log ends before ${log.end}`)
}

/** Refuses a position that the log does not have. Its end is one: nothing runs before the next message. */
export function checkPosition(where: Where, offset: number): void {
  const { topic, partition, log } = where
  if (offset >= log.start && offset <= log.end) return
  const text = `${nameOf(where)} cannot be set to offset ${offset}: its log goes from ${log.start} to ${log.end}`
  throw new LanewayError('OFFSET_INVALID', text, { details: { topic, partition, offset } })
}

/** What a group has committed, by {@link nameOf}. */
export type CommittedPartitions = ReadonlyMap<string, RawGroupPartition>

/** Refuses plans that were made from something else than what is committed now: they would undo it. */
export function checkUnchanged(group: string, plans: readonly PartitionPlan[], now: CommittedPartitions): void {
  for (const plan of plans) {
    const seen = now.get(nameOf(plan))
    if (seen?.offset === plan.before?.offset && seen?.metadata === plan.before?.metadata) continue
    const text = `group ${group} has just changed what it has committed for ${nameOf(plan)}; nothing was changed`
    throw new LanewayError('GROUP_CHANGED', text, { retriable: true })
  }
}

export interface Refused {
  readonly plan: PartitionPlan
  readonly error: RawFailure
}

/** What to say where the broker has refused some of it. */
export function refusal(group: string, refused: readonly Refused[], changed: number): LanewayError {
  const reasons = refused.map(({ plan, error }) => `${nameOf(plan)}: ${error.message}`).join('; ')
  const rest = changed === 0 ? 'nothing was changed' : `partitions changed all the same: ${changed}`
  const failures = refused.map(({ error }) => fromRaw(error))
  // Only members may commit while there are any.
  const isActive = failures.some(({ code }) => code === 'MEMBERSHIP_LOST')
  const text = isActive ? `group ${group} has members again, so the broker refuses` : 'the broker refuses'
  const { code = 'INTERNAL', kafkaError } = failures[0] ?? {}
  return new LanewayError(isActive ? 'GROUP_ACTIVE' : code, `${text} (${reasons}); ${rest}`, { kafkaError })
}

interface ProgressReport {
  readonly offset: number
  /** One below the offset where nothing above it is settled. */
  readonly highestSettled: number
  readonly gaps: number
  readonly format: SeenFormat
}

export interface PartitionReport extends RawTopicPartition {
  readonly before: ProgressReport | null
  readonly after: ProgressReport
  /** Messages that had not run and now never will, where the log has no holes; null where nothing was committed. */
  readonly skipped: number | null
  /** Messages that had run and now run again, likewise. */
  readonly runAgain: number | null
  readonly changes: boolean
  readonly notes: readonly string[]
}

function progressOf(settled: Settled, format: SeenFormat): ProgressReport {
  return { offset: committable(settled), highestSettled: settled.end - 1, gaps: settled.gaps.length, format }
}

function notesOf({ before, wanted, after, log }: PartitionPlan): string[] {
  const notes: string[] = []
  if (before?.format === 'foreign' || before?.format === 'corrupt') {
    notes.push(`its metadata is ${before.format} and is dropped`)
  }
  if (before !== undefined && (before.offset < log.start || before.offset > log.end)) {
    notes.push(`the committed offset lies outside the log, which goes from ${log.start} to ${log.end}`)
  }
  if (after.settled.end < wanted.end) {
    notes.push(`the gap map does not fit: what is settled above ${after.settled.end - 1} runs again`)
  }
  return notes
}

export function reportOf(plan: PartitionPlan): PartitionReport {
  const { topic, partition, log, before, form, after } = plan
  const counts =
    before === undefined ? { skipped: null, runAgain: null } : difference(before.settled, after.settled, log)
  return {
    topic,
    partition,
    before: before === undefined ? null : progressOf(before.settled, before.format),
    after: progressOf(after.settled, after.metadata === '' ? 'none' : form.format),
    ...counts,
    changes: isChange(plan),
    notes: notesOf(plan),
  }
}

function picture(title: string, settled: Settled | undefined): string[] {
  if (settled === undefined || settled.gaps.length === 0) return []
  const from = committable(settled)
  return [`  ${title} ${from} ${gapPicture(from, settled.end - 1, settled.gaps, PICTURE_WIDTH)} ${settled.end - 1}`]
}

/** The plan as a person reads it. */
export function showPlans(plans: readonly PartitionPlan[]): string {
  const head = ['topic', 'partition', 'offset', 'highest settled', 'gaps', 'metadata', 'skipped', 'run again']
  const counted = (count: number | null): string => (count === null ? '?' : formatCount(count))
  const rows = plans.map((plan) => {
    const { topic, partition, before, after, skipped, runAgain } = reportOf(plan)
    const change = (of: (progress: ProgressReport) => string): string => {
      const [was, is] = [before === null ? 'none' : of(before), of(after)]
      return was === is ? is : `${was} -> ${is}`
    }
    return [
      topic,
      String(partition),
      change(({ offset }) => formatCount(offset)),
      change(({ highestSettled }) => formatCount(highestSettled)),
      change(({ gaps }) => formatCount(gaps)),
      change(({ format }) => format),
      counted(skipped),
      counted(runAgain),
    ]
  })
  const [first = '', ...lines] = formatTable([head, ...rows]).split('\n')
  const shown = plans.flatMap((plan, i) => [
    lines[i] ?? '',
    ...picture('before', plan.before?.settled),
    ...picture('after ', plan.after.settled),
    ...notesOf(plan).map((note) => `  ${note}`),
  ])
  return [first, ...shown, ''].join('\n')
}
