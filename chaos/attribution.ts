/**
 * Ledgers of workers become part of their member's: each run of a handler gets the epoch that it belongs to, and what a dead
 * worker left open is abandoned.
 *
 * A worker is not told epochs, and its member's events may be noted a little after the messages of an assignment have come.
 * So a run belongs to the epoch that its member had of the partition when it started; between two of them, to the next where
 * that begins at once, else to the one before. When it was taken is not known: not before its epoch.
 */
import { type EventOf, type Ledger, type LedgerEvent, workerIn } from './ledger.js'

/** By so much an assignment may be noted late, in µs. */
const LATE_US = 500_000
/** After a member's end its workers may go on until they have seen the end of their streams, in µs. */
const ORPHAN_US = 2_000_000

/** What the driver knows. */
interface Deaths {
  /** When the member's process was gone, in µs; Infinity where it was not. */
  readonly diedAt: number
  /** Process ids of children that faults have killed. */
  readonly killed: ReadonlySet<number>
}

interface Span {
  readonly number: number
  readonly from: number
  to: number
}

/** The epochs of one member, by partition, in their order. */
function spansOf(events: Iterable<LedgerEvent>): ReadonlyMap<number, readonly Span[]> {
  const all = new Map<number, Span[]>()
  for (const event of events) {
    if (event.event === 'assigned') {
      for (const { partition, epoch } of event.partitions) {
        const spans = all.get(partition) ?? []
        spans.push({ number: epoch, from: event.mono, to: Number.POSITIVE_INFINITY })
        all.set(partition, spans)
      }
    } else if (event.event === 'revoked') {
      for (const partition of event.partitions) {
        const span = all.get(partition)?.at(-1)
        if (span !== undefined) span.to = event.mono
      }
    }
  }
  return all
}

function spanAt(spans: readonly Span[], mono: number): Span | undefined {
  const current = spans.findLast(({ from }) => from <= mono)
  if (current !== undefined && mono <= current.to) return current
  return spans.find(({ from }) => from > mono && from <= mono + LATE_US) ?? current
}

function* eventsOfWorker(
  worker: Ledger,
  spans: ReadonlyMap<number, readonly Span[]>,
  { diedAt, killed }: Deaths,
): Generator<LedgerEvent> {
  const open = new Map<string, EventOf<'start'>>()
  let mono = 0
  let wall = 0
  let isDead = false
  for (const event of worker.events()) {
    if (event.mono > diedAt && event.mono <= diedAt + ORPHAN_US) continue
    mono = event.mono
    wall = event.wall
    if (event.event === 'worker-dies') isDead = true
    if (event.event === 'worker-start') {
      const span = spanAt(spans.get(event.partition) ?? [], mono)
      const epoch = span?.number ?? 0
      const start = { ...event, event: 'start', epoch, taken: Math.min(span?.from ?? mono, mono) } as const
      open.set(event.run, start)
      yield start
    } else if (event.event === 'worker-end' || event.event === 'worker-failed') {
      const start = open.get(event.run)
      if (start === undefined) continue
      open.delete(event.run)
      yield { ...start, event: event.event === 'worker-end' ? 'end' : 'failed', mono, wall }
    }
  }
  const name = workerIn(worker.writer)?.worker ?? ''
  const hasDied = isDead || killed.has(Number.parseInt(name, 10))
  if (hasDied || open.size > 0) {
    yield { event: 'worker-gone', mono, wall, worker: name, hasDied, runs: [...open.keys()] }
  }
}

function withWorkers(own: Ledger, workers: readonly Ledger[], deaths: Deaths): Ledger {
  if (workers.length === 0) return own
  const spans = spansOf(own.events())
  const all = [...own.events(), ...workers.flatMap((worker) => [...eventsOfWorker(worker, spans, deaths)])]
  const inOrder = all.sort((a, b) => a.mono - b.mono)
  return { writer: own.writer, events: () => inOrder }
}

/** The ledgers of one phase, each worker's within its member's. */
export function attributed(ledgers: readonly Ledger[]): Ledger[] {
  const diedAt = new Map<string, number>()
  const killed = new Set<number>()
  const driver = ledgers.find(({ writer }) => writer === 'driver')
  for (const event of driver?.events() ?? []) {
    if (event.event === 'fault' && event.worker !== undefined) killed.add(event.worker)
    if (event.event === 'exited') diedAt.set(event.member, event.mono)
  }
  const members = ledgers.filter(({ writer }) => workerIn(writer) === undefined)
  return members.map((own) => {
    const workers = ledgers.filter(({ writer }) => workerIn(writer)?.member === own.writer)
    return withWorkers(own, workers, { diedAt: diedAt.get(own.writer) ?? Number.POSITIVE_INFINITY, killed })
  })
}
