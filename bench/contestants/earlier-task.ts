/**
 * What the harness and a contestant's process tell each other: a task as one JSON argument, a result as one JSON line
 * on stdout. Every contestant runs in a process of its own, so that none inherits another's heap, JIT state or threads.
 */

export interface Task {
  readonly brokers: string
  readonly topic: string
  readonly group: string
  /** Of contestants that produce. */
  readonly outputTopic?: string | undefined
  /** Messages to consume; the topic holds exactly as many. */
  readonly messages: number
  /** librdkafka properties on top of the contestant's defaults. */
  readonly properties: Readonly<Record<string, string>>
  /** Check the order of every key; the figures of such a run do not count. */
  readonly verify: boolean
  /** The contestant's process ends itself after this time. */
  readonly deadlineMs: number
}

/** Seconds and CPU run from `subscribe` to the end of the last handler. CPU is the whole process's, all threads. */
export interface Result {
  readonly messages: number
  readonly seconds: number
  readonly firstMessageSeconds: number
  readonly cpuSeconds: number
  readonly maxRssKib: number
  /** Messages that came after a later one of their key (of their partition, for the C loop), or twice. */
  readonly inversions: number
  /** Sum over all bytes; only of contestants that touch them. */
  readonly checksum?: string
  /** Version of librdkafka, where the contestant can tell. */
  readonly librdkafka?: string
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** @throws Error that names what is not a task. */
export function parseTask(argument: string | undefined): Task {
  const value: unknown = JSON.parse(argument ?? 'null')
  if (!isRecord(value)) throw new Error('a contestant takes one argument: its task as JSON')
  const { brokers, topic, group, outputTopic, messages, properties, verify, deadlineMs } = value
  if (!isText(brokers) || !isText(topic) || !isText(group)) throw new Error('a task has brokers, topic and group')
  if (outputTopic !== undefined && !isText(outputTopic)) throw new Error('outputTopic is a name')
  if (!isNumber(messages) || typeof verify !== 'boolean') throw new Error('a task has messages and verify')
  if (!isNumber(deadlineMs)) throw new Error('a task has deadlineMs')
  if (!isRecord(properties)) throw new Error('a task has properties')
  const texts = Object.entries(properties).map(([name, text]) => [name, String(text)] as const)
  return { brokers, topic, group, outputTopic, messages, verify, deadlineMs, properties: Object.fromEntries(texts) }
}

/** A contestant that hangs must not outlive a harness that was killed. */
export function endAtDeadline({ deadlineMs }: Pick<Task, 'deadlineMs'>): void {
  setTimeout(() => {
    process.stderr.write(`no end after ${deadlineMs / 1000} s\n`)
    process.exit(1)
  }, deadlineMs).unref()
}

/** Undefined where the line is no result. */
export function parseResult(line: string): Result | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (!isRecord(value)) return undefined
    const { messages, seconds, firstMessageSeconds, cpuSeconds, maxRssKib, inversions, checksum, librdkafka } = value
    if (!isNumber(messages) || !isNumber(seconds) || !isNumber(firstMessageSeconds)) return undefined
    if (!isNumber(cpuSeconds) || !isNumber(maxRssKib) || !isNumber(inversions)) return undefined
    return {
      messages,
      seconds,
      firstMessageSeconds,
      cpuSeconds,
      maxRssKib,
      inversions,
      ...(isText(checksum) ? { checksum } : {}),
      ...(isText(librdkafka) ? { librdkafka } : {}),
    }
  } catch {
    return undefined // Not JSON, so not a result: the caller reports the contestant's output.
  }
}
