/**
 * What the harness and a contestant's process tell each other: a task as one JSON argument, and JSON lines on stdout: one
 * when the first handler starts, and the result at the end. Every contestant runs in a process of its own, so that none
 * inherits another's heap, JIT state or threads. Contestants in other languages keep to the same contract.
 */
import { z } from 'zod'

const count = z.int().positive()

/** What a handler does for a message. */
export const workSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** Reads every byte of key and value. */
  z.strictObject({ kind: z.literal('touch') }),
  /** Waits without using the CPU. */
  z.strictObject({ kind: z.literal('wait'), micros: count }),
  /** Uses the CPU all the time. */
  z.strictObject({ kind: z.literal('spin'), micros: count }),
  /** Handlers for messages of the first keys never end; there is nothing to do for the others. */
  z.strictObject({ kind: z.literal('stall'), keys: count }),
])
export type Work = z.output<typeof workSchema>

const taskSchema = z.strictObject({
  brokers: z.string(),
  topic: z.string(),
  group: z.string(),
  /** Of contestants that produce. */
  outputTopic: z.string().optional(),
  /** To handle; then the contestant ends itself. */
  messages: count,
  /** Of librdkafka, on top of the contestant's defaults; contestants on another client ignore them. */
  properties: z.record(z.string(), z.string()),
  work: workSchema,
  /** Handlers at once, where the contestant has such a setting. */
  concurrency: count,
  /** The file that every start and end of a handler is noted in; absent: handlers are only counted. */
  ledger: z.string().optional(),
  /** 'each': every record is written at once, so that it outlives a kill. */
  flush: z.enum(['end', 'each']),
  /** The contestant's process ends itself after this time. */
  deadlineMs: count,
})
export type Task = z.output<typeof taskSchema>

/** Seconds and CPU (of the whole process, all threads) run from `subscribe` to the end of the last handler. */
const resultSchema = z.object({
  messages: z.int().nonnegative(),
  seconds: z.number().positive(),
  firstMessageSeconds: z.number().nonnegative(),
  cpuSeconds: z.number().nonnegative(),
  maxRssKib: z.number().nonnegative(),
  /** Of what the contestant is built on. */
  versions: z.record(z.string(), z.string()),
})
export type Result = z.output<typeof resultSchema>

/** The line that a contestant prints when its first handler starts. */
export const FIRST_MESSAGE_LINE = JSON.stringify({ event: 'first-message' })

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Said by the schema, which knows what was expected.
  }
}

/** @throws Error that names what is not a task. */
export function parseTask(argument: string | undefined): Task {
  const { success, data, error } = taskSchema.safeParse(parseJson(argument ?? ''))
  if (!success) throw new Error(`a contestant takes one argument, its task as JSON: ${z.prettifyError(error)}`)
  return data
}

/** Undefined where the line is no result. */
export function parseResult(line: string): Result | undefined {
  return resultSchema.safeParse(parseJson(line)).data
}

/** A contestant that hangs must not outlive a harness that was killed. */
export function endAtDeadline({ deadlineMs }: Pick<Task, 'deadlineMs'>): void {
  setTimeout(() => {
    process.stderr.write(`no end after ${deadlineMs / 1000} s\n`)
    process.exit(1)
  }, deadlineMs).unref()
}
