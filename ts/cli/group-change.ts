/**
 * `laneway group skip|seek|reset`: what an operator changes of a group that nobody consumes with. Each shows what it would
 * do and does it only with --yes. While the group has members nothing is changed: their next commit would undo it, and
 * theirs is the truth. That is looked at first, and again right before the write, and the broker itself refuses too.
 */
import type { Command } from 'commander'
import { fromRaw, LanewayError, translateAsync } from '../errors.js'
import { addon, type RawFailure, type RawLog, type RawTopicPartition } from '../native.js'
import {
  type CommittedPartitions,
  checkPosition,
  checkSkippable,
  checkUnchanged,
  commitOf,
  committedOf,
  isChange,
  nameOf,
  type PartitionPlan,
  planOf,
  type Refused,
  refusal,
  reportOf,
  shorter,
  showPlans,
  type Where,
} from './group-plan.js'
import { type GroupOptions, type GroupTarget, targetOf } from './group-target.js'
import { collect, collectOffset, type Position, position, positionOrTime, type Time, wholeNumber } from './options.js'
import { seek, settledBelow, skip } from './settled.js'
import { writeJson } from './terminal.js'

interface ChangeOptions extends GroupOptions {
  readonly yes: boolean
}

interface SkipOptions extends ChangeOptions {
  readonly topic: string
  readonly partition: number
  readonly offset: readonly number[]
}

interface SeekOptions extends ChangeOptions {
  readonly topic: string
  readonly partition: number
  readonly offset: Position
  readonly keepGaps: boolean
}

interface ResetOptions extends ChangeOptions {
  readonly topic?: readonly string[]
  readonly to: 'earliest' | 'latest' | Time
}

/** Of a group without members: those of a group that the cluster does not know (yet) included. */
const STATES_WITHOUT_MEMBERS: readonly string[] = ['Empty', 'Dead']
const MOST_MEMBERS_NAMED = 10

async function requireNoMembers({ properties, group, timeoutMs }: GroupTarget): Promise<void> {
  const { state, members } = await translateAsync(addon.describeGroup(properties, group, timeoutMs))
  if (members.length === 0 && STATES_WITHOUT_MEMBERS.includes(state)) return
  const named = members.slice(0, MOST_MEMBERS_NAMED).map(({ clientId, host, memberId, instanceId }) => {
    const id = instanceId === '' ? memberId : `${instanceId}, ${memberId}`
    return `${clientId} at ${host.replace(/^\//, '')} (${id})`
  })
  const others = members.length > named.length ? [`${members.length - named.length} more`] : []
  const who = members.length === 0 ? 'no members yet' : `members: ${[...named, ...others].join(', ')}`
  const text = `group ${group} is in state ${state} with ${who}; stop its consumers first`
  throw new LanewayError('GROUP_ACTIVE', text, { details: { state, members: members.length } })
}

function aboutPartition(where: RawTopicPartition, failure: RawFailure): LanewayError {
  const { code, kafkaError } = fromRaw(failure)
  if (kafkaError === 'UNSTABLE_OFFSET_COMMIT') {
    const text = `${nameOf(where)}: a transaction that is still open has offsets for it; it must end first`
    return new LanewayError('GROUP_ACTIVE', text, { kafkaError })
  }
  return new LanewayError(code, `${nameOf(where)}: ${failure.message}`, { kafkaError })
}

/** A log without a partition stands for its topic. */
function aboutLog(log: RawLog, failure: RawFailure): LanewayError {
  if (log.partition >= 0) return aboutPartition(log, failure)
  const { code, kafkaError } = fromRaw(failure)
  return new LanewayError(code, `topic ${log.topic}: ${failure.message}`, { kafkaError })
}

async function readCommitted({ properties, group, timeoutMs }: GroupTarget): Promise<CommittedPartitions> {
  const partitions = await translateAsync(addon.readGroup(properties, group, timeoutMs, true))
  return new Map(partitions.map((partition) => [nameOf(partition), partition]))
}

/** A partition's log and what is committed for it; what could not be read of either is thrown. */
function whereOf(log: RawLog, committed: CommittedPartitions): Where {
  const { topic, partition, start, end } = log
  if (log.error !== undefined) throw aboutLog(log, log.error)
  const raw = committed.get(nameOf(log))
  if (raw?.error !== undefined) throw aboutPartition(log, raw.error)
  return { topic, partition, log: { start, end }, ...(raw === undefined ? {} : { before: committedOf(raw) }) }
}

async function readLogs(target: GroupTarget, topics: readonly string[], time: number | null): Promise<RawLog[]> {
  return await translateAsync(addon.readLogs(target.properties, topics, time, target.timeoutMs))
}

async function readLog(target: GroupTarget, { topic, partition }: RawTopicPartition): Promise<RawLog> {
  const logs = await readLogs(target, [topic], null)
  const found = logs.find((log) => log.partition === partition || log.partition === -1)
  if (found !== undefined) return found
  const text = `topic ${topic} has no partition ${partition}; it has ${logs.length}, from 0`
  throw new LanewayError('TOPIC_UNKNOWN', text, { details: { topic, partition } })
}

type Plans = readonly PartitionPlan[]

async function planSkip(target: GroupTarget, committed: CommittedPartitions, options: SkipOptions): Promise<Plans> {
  const where = whereOf(await readLog(target, options), committed)
  if (where.before === undefined) {
    const text = `group ${target.group} has committed nothing for ${nameOf(where)}: seek to where it is to begin`
    throw new LanewayError('NOTHING_COMMITTED', text)
  }
  const { settled } = where.before
  for (const offset of options.offset) checkSkippable(where, settled, offset)
  return [planOf(where, skip(settled, options.offset))]
}

async function planSeek(target: GroupTarget, committed: CommittedPartitions, options: SeekOptions): Promise<Plans> {
  const where = whereOf(await readLog(target, options), committed)
  const { start, end } = where.log
  const to = options.offset === 'earliest' ? start : options.offset === 'latest' ? end : options.offset
  checkPosition(where, to)
  return [planOf(where, seek(where.before?.settled, to, options.keepGaps))]
}

async function planReset(target: GroupTarget, committed: CommittedPartitions, options: ResetOptions): Promise<Plans> {
  const { topic, to } = options
  const topics = new Set(topic ?? [...committed.values()].map((partition) => partition.topic))
  if (topics.size === 0) {
    const text = `group ${target.group} has committed nothing: name the topics with --topic`
    throw new LanewayError('NOTHING_COMMITTED', text)
  }
  const logs = await readLogs(target, [...topics], typeof to === 'string' ? null : to.ms)
  return logs.map((log) => {
    const where = whereOf(log, committed)
    // No message is that young: go on with the next one.
    const atTime = log.atTime < 0 ? log.end : log.atTime
    return planOf(where, settledBelow(to === 'earliest' ? log.start : to === 'latest' ? log.end : atTime))
  })
}

/** Writes what is planned; gives back what was written, which says less where the broker takes shorter metadata only. */
async function apply(target: GroupTarget, plans: Plans): Promise<Plans> {
  const { properties, group, timeoutMs } = target
  const written = new Map<string, PartitionPlan>()
  const refused: Refused[] = []
  let pending = plans.filter(isChange)
  while (pending.length > 0) {
    const answers = await translateAsync(addon.commitGroup(properties, group, pending.map(commitOf), timeoutMs))
    const errors = new Map(answers.map((answer) => [nameOf(answer), answer.error]))
    const tooLarge: PartitionPlan[] = []
    for (const plan of pending) {
      const error = errors.get(nameOf(plan))
      if (error === undefined) written.set(nameOf(plan), plan)
      else if (error.code === 'METADATA_TOO_LARGE' && plan.after.units > 0) tooLarge.push(shorter(plan))
      else refused.push({ plan, error })
    }
    pending = tooLarge
  }
  if (refused.length > 0) throw refusal(group, refused, written.size)
  return plans.map((plan) => written.get(nameOf(plan)) ?? plan)
}

function sayWritten(planned: Plans, written: Plans, isJson: boolean): void {
  const shortened = written.filter((plan, i) => plan.after.metadata !== planned[i]?.after.metadata)
  if (!isJson && shortened.length > 0) process.stdout.write(showPlans(shortened))
  for (const plan of shortened) {
    process.stderr.write(`${nameOf(plan)}: the broker takes at most a shorter gap map\n`)
  }
  const count = written.filter(isChange).length
  process.stderr.write(`${count} ${count === 1 ? 'partition was' : 'partitions were'} changed\n`)
}

type MakePlans<Options> = (target: GroupTarget, committed: CommittedPartitions, options: Options) => Promise<Plans>

async function change<Options extends ChangeOptions>(
  action: string,
  makePlans: MakePlans<Options>,
  options: Options,
): Promise<void> {
  const target = targetOf(options)
  await requireNoMembers(target)
  const planned = await makePlans(target, await readCommitted(target), options)
  if (!options.json) process.stdout.write(showPlans(planned))
  let plans = planned
  if (options.yes) {
    checkUnchanged(target.group, planned, await readCommitted(target))
    await requireNoMembers(target)
    plans = await apply(target, planned)
    sayWritten(planned, plans, options.json)
  } else {
    const isNeeded = planned.some(isChange)
    process.stderr.write(isNeeded ? 'nothing was changed yet: --yes does it\n' : 'there is nothing to change\n')
  }
  if (options.json) {
    writeJson({ group: target.group, action, applied: options.yes, partitions: plans.map(reportOf) })
  }
}

function runs<Options extends ChangeOptions>(action: string, makePlans: MakePlans<Options>) {
  return (_: unknown, command: Command) => change(action, makePlans, command.optsWithGlobals<Options>())
}

export function addGroupChanges(group: Command): void {
  const add = (name: string, description: string): Command =>
    group
      .command(name)
      .description(`${description} Shows what would change; the group must have no members.`)
      .option('--yes', 'change it', false)
  const partition = wholeNumber(0, 2 ** 31 - 1)
  add('skip', 'Mark messages as settled, so that they never run; everything else stays as it is.')
    .requiredOption('--topic <name>', 'topic')
    .requiredOption('--partition <n>', 'partition', partition)
    .requiredOption('--offset <n>', 'offset to skip; may be given several times', collectOffset)
    .action(runs('skip', planSkip))
  add('seek', 'Go on from another offset of one partition; everything from there runs, also what has run before.')
    .requiredOption('--topic <name>', 'topic')
    .requiredOption('--partition <n>', 'partition', partition)
    .requiredOption('--offset <position>', 'an offset, earliest or latest', position)
    .option('--keep-gaps', 'what the gap map says is settled does not run again', false)
    .action(runs('seek', planSeek))
  add('reset', 'Go on from another place in all partitions; everything from there runs, also what has run before.')
    .option('--topic <name>', 'topic; may be given several times (default: all that the group has committed)', collect)
    .requiredOption('--to <place>', 'earliest, latest, or a time: 2026-01-31T12:00:00Z', positionOrTime)
    .action(runs('reset', planReset))
}
