/**
 * The ledger: what happened, written down by whoever saw it, at the moment it saw it.
 *
 * One append-only file per process, one JSON line per event, one write(2) per line: what a handler began is in the file
 * before the handler does anything, so that a kill -9 leaves a start without an end. Times are µs of CLOCK_MONOTONIC,
 * which all processes of a machine share, so that the files can be merged; `wall` (ms) is for people.
 *
 * Nothing here judges; see checker.ts.
 */
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** Times in ledgers are µs, timeouts ms. */
export const US_PER_MS = 1000

const moment = { mono: z.number(), wall: z.number() }
const message = {
  ...moment,
  topic: z.string(),
  partition: z.number(),
  offset: z.number(),
  key: z.string().nullable(),
  /** The message's value: its number within its partition, as it was produced. */
  value: z.string(),
  attempt: z.number(),
}
/** What a worker knows of a run. */
const workerRun = { ...message, run: z.string() }
const handler = {
  ...message,
  /** Of the assignment that the message was taken under. */
  epoch: z.number(),
  /** Names the run of the handler within its process, or its workers. */
  run: z.union([z.number(), z.string()]),
  /** `mono` of the take that brought the message. */
  taken: z.number(),
}

export const FAULT_KINDS = [
  'kill',
  'kill-worker',
  'long-stop',
  'short-stop',
  'leave',
  'abort',
  'join',
  'cut',
  'cut-all',
  'delay',
  'broker-restart',
  'broker-crash',
] as const

const event = z.discriminatedUnion('event', [
  // By a member, about itself.
  z.object({ event: z.literal('opened'), ...moment, member: z.string(), pid: z.number() }),
  z.object({ event: z.literal('start'), ...handler }),
  z.object({ event: z.literal('end'), ...handler }),
  z.object({ event: z.literal('failed'), ...handler }),
  z.object({
    event: z.literal('assigned'),
    ...moment,
    partitions: z.array(
      z.object({
        partition: z.number(),
        epoch: z.number(),
        /** -1: the group has none, or it could not be read. */
        committed: z.number(),
        settledAbove: z.number(),
        format: z.string(),
      }),
    ),
  }),
  z.object({ event: z.literal('revoked'), ...moment, lost: z.boolean(), partitions: z.array(z.number()) }),
  z.object({
    event: z.literal('committed'),
    ...moment,
    partitions: z.array(z.object({ partition: z.number(), offset: z.number() })),
  }),
  z.object({
    event: z.literal('warning'),
    ...moment,
    code: z.string(),
    kafkaError: z.string().optional(),
    message: z.string(),
  }),
  /** librdkafka has given its session up: so long the group had not answered. */
  z.object({ event: z.literal('session-timed-out'), ...moment, silentMs: z.number() }),
  /** close() was called; handlers may end until the deadline. */
  z.object({
    event: z.literal('closing'),
    ...moment,
    mode: z.enum(['drain', 'abort']),
    deadlineMs: z.number(),
  }),
  /** run() came to its end; with an error's code where it rejected. */
  z.object({ event: z.literal('ended'), ...moment, code: z.string().optional(), message: z.string().optional() }),

  // By a worker of a member, about itself.
  z.object({ event: z.literal('worker-start'), ...workerRun }),
  z.object({ event: z.literal('worker-end'), ...workerRun }),
  z.object({ event: z.literal('worker-failed'), ...workerRun }),
  /** Its thread or process ends in the middle of what it runs, as planned. */
  z.object({ event: z.literal('worker-dies'), ...moment }),
  /** By attribution.ts: a worker has written its last line, and left these runs open. */
  z.object({
    event: z.literal('worker-gone'),
    ...moment,
    worker: z.string(),
    /** As planned, or by a fault; else why it wrote nothing more is not known. */
    hasDied: z.boolean(),
    runs: z.array(z.string()),
  }),

  // By the driver, about what it did and saw.
  /** How many faults the schedule has. */
  z.object({ event: z.literal('planned'), ...moment, faults: z.number() }),
  /** Messages of one partition, from this offset on, by their keys. */
  z.object({
    event: z.literal('produced'),
    ...moment,
    partition: z.number(),
    from: z.number(),
    keys: z.array(z.string().nullable()),
  }),
  /** A fault; `member` is null where it met all of them. `stop` begins before SIGSTOP and ends after SIGCONT. */
  z.object({
    event: z.literal('fault'),
    ...moment,
    kind: z.enum(FAULT_KINDS),
    phase: z.enum(['begins', 'ends']),
    fault: z.number(),
    member: z.string().nullable(),
    /** `kill-worker`: the process id of the child. */
    worker: z.number().optional(),
  }),
  z.object({
    event: z.literal('exited'),
    ...moment,
    member: z.string(),
    code: z.number().nullable(),
    signal: z.string().nullable(),
  }),
  /** What the group has committed, read from the broker: the offset, and the settled ranges above it (both ends in). */
  z.object({
    event: z.literal('observed'),
    ...moment,
    partition: z.number(),
    offset: z.number(),
    settled: z.array(z.tuple([z.number(), z.number()])),
  }),
  /** The driver has waited until the group had committed everything, or did not go on any more. */
  z.object({
    event: z.literal('drained'),
    ...moment,
    partitions: z.array(z.object({ partition: z.number(), offset: z.number(), logEnd: z.number() })),
  }),
])

export type FaultKind = (typeof FAULT_KINDS)[number]
export type LedgerEvent = z.output<typeof event>
export type EventOf<Kind extends LedgerEvent['event']> = Extract<LedgerEvent, { event: Kind }>
export type HandlerEvent = EventOf<'start' | 'end' | 'failed'>

type WithoutMoment<Event> = Event extends unknown ? Omit<Event, 'mono' | 'wall'> : never
/** An event before it is written; the writer adds the time. */
export type NewEvent = WithoutMoment<LedgerEvent>

/** µs of the monotonic clock that all processes of this machine share. */
export function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

export class LedgerWriter {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  /** In the file when this returns; it outlives the process from then on. */
  write(event: NewEvent): void {
    const line = `${JSON.stringify({ ...event, mono: monotonic(), wall: Date.now() })}\n`
    writeSync(this.#file, line)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** What one process wrote, in its order. May be read more than once. */
export interface Ledger {
  /** The member's name, or `driver`. */
  readonly writer: string
  events(): Iterable<LedgerEvent>
}

const CHUNK_BYTES = 64 * 1024

/** The file's lines; a last line without its line feed was cut off by a kill in the middle of the write, and is none. */
function* linesOf(path: string): Generator<string> {
  const file = openSync(path, 'r')
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    let rest = ''
    for (;;) {
      const bytes = readSync(file, chunk)
      if (bytes === 0) return
      // Only errors' messages hold more than ASCII, and nothing but people reads them.
      const lines = (rest + chunk.toString('latin1', 0, bytes)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
  } finally {
    closeSync(file)
  }
}

/** @throws Error with the file and the line where a line is no event */
export function ledgerOf(writer: string, path: string): Ledger {
  function* events(): Generator<LedgerEvent> {
    let number = 0
    for (const line of linesOf(path)) {
      number += 1
      try {
        yield event.parse(JSON.parse(line))
      } catch (cause) {
        throw new Error(`${path}:${number} is no event of a ledger: ${line.slice(0, 200)}`, { cause })
      }
    }
  }
  return { writer, events }
}

const EXTENSION = '.jsonl'

/** Where a writer's ledger is kept. */
export function ledgerPath(folder: string, writer: string): string {
  return join(folder, `${writer}${EXTENSION}`)
}

/** Between a member's name and its worker's. */
const OF = '~'

/** Where a worker's ledger is kept. */
export function workerLedgerPath(folder: string, member: string, worker: string): string {
  return ledgerPath(folder, `${member}${OF}${worker}`)
}

/** The name of a worker's ledger without its member's; undefined for one that is no worker's. */
export function workerIn(writer: string): { readonly member: string; readonly worker: string } | undefined {
  const [member, worker] = writer.split(OF)
  return member === undefined || worker === undefined ? undefined : { member, worker }
}

/** All ledgers that were written into a folder. */
export function ledgersIn(folder: string): Ledger[] {
  const writers = readdirSync(folder).filter((file) => file.endsWith(EXTENSION))
  return writers.map((file) => ledgerOf(file.slice(0, -EXTENSION.length), join(folder, file)))
}

/** All events of all ledgers in the order of time; each ledger's own order is kept. */
export function* inOrderOfTime(ledgers: readonly Ledger[]): Generator<readonly [writer: string, event: LedgerEvent]> {
  interface Head {
    readonly writer: string
    readonly rest: Iterator<LedgerEvent>
    event: LedgerEvent
  }
  const heads: Head[] = []
  for (const { writer, events } of ledgers) {
    const rest = events()[Symbol.iterator]()
    const first = rest.next()
    if (first.done !== true) heads.push({ writer, rest, event: first.value })
  }
  while (heads.length > 0) {
    let earliest = 0
    for (let index = 1; index < heads.length; index += 1) {
      if ((heads[index]?.event.mono ?? 0) < (heads[earliest]?.event.mono ?? 0)) earliest = index
    }
    const head = heads[earliest]
    if (head === undefined) return
    yield [head.writer, head.event]
    const next = head.rest.next()
    if (next.done === true) heads.splice(earliest, 1)
    else head.event = next.value
  }
}
