/**
 * The checker: reads the ledgers of one phase in the order of time and says which promises they break.
 *
 * It trusts what processes wrote about themselves, and nothing that a consumer claims. Every run of a handler belongs to
 * an epoch (ownership.ts); an epoch is *live* until its process dies, gives the partition up or loses it, or until
 * another member is assigned it. What live epochs do must be in order and without overlap.
 *
 * **What a stopped process may do.** A process that was stopped (or cut off) beyond the session timeout owns nothing any
 * more and cannot know it. Its handlers may still run when another member starts the same message, and when it goes on
 * it may even start a handler: that is possible for any client, and a fence, not an overlap of live epochs. It is bounded
 * in both directions: only where a disturbance explains that the process could not know (fences.ts), and only until the
 * process has learned of the loss, which is its own `revoked` line: from then on nothing of that epoch may start (in its
 * workers, which have to be told, from a moment later on).
 *
 * Within one epoch the order of a key holds always, for a fenced one too. It must not look at wall clocks.
 */
import { type Cause, Fences, type Timing } from './fences.js'
import { type EventOf, type HandlerEvent, inOrderOfTime, type Ledger, type LedgerEvent } from './ledger.js'
import { type Completion, Messages } from './messages.js'
import { type Epoch, Ownership } from './ownership.js'

export const PROPERTIES = {
  'was a test': 'messages were produced, and every fault of the schedule was carried out',
  'no loss': 'every message that was produced was completed',
  drained: 'in the end the group has committed everything, and never stopped on the way there',
  'as produced': 'every handler got the key and the value that were produced at its offset',
  'no overlap': 'no two messages of a key, nor one message twice, run at once in live epochs',
  'no inversion': 'a message starts when all earlier ones of its key are settled',
  'duplicates explained': 'what was completed runs again only after a crash, a fence or a commit that failed',
  'nothing committed again': 'what was settled and committed does not run again',
  'commit below unsettled': 'neither offset nor gap map of a commit covers what was not completed, nor goes back',
  'knows its losses': 'nothing starts in an epoch that its process knows to be over',
  'losses explained':
    'a partition is lost only where its member could not reach its group for about a session, or committed late',
  'waits for handlers': 'a revoke in order waits for running handlers until its timeout',
  'no handler forgotten': 'a handler in a worker ends, but where its worker or its process has died',
  'no end by itself': 'no process ends but by a fault, and each ends when it is asked to',
} as const
export type Property = keyof typeof PROPERTIES

export interface Violation {
  readonly property: Property
  /** One sentence, with the evidence's place in the ledgers (member, partition, offset, µs). */
  readonly what: string
}

export interface Verdict {
  /** The first of each property. */
  readonly violations: readonly Violation[]
  /** How many there were of each property. */
  readonly broken: Readonly<Record<Property, number>>
  readonly produced: number
  readonly completed: number
  readonly runs: number
  readonly failures: number
  /** Workers that died under their members. */
  readonly lostWorkers: number
  readonly duplicates: Readonly<Partial<Record<Cause, number>>>
  readonly epochs: number
  readonly lostEpochs: number
  readonly commits: number
  readonly observations: number
  /** The longest that a partition with messages had none completed. */
  readonly longestStallMs: number
}

const MOST_SHOWN = 10

interface Run {
  readonly start: EventOf<'start'>
  readonly epoch: Epoch
  /** Counted as a duplicate already. */
  repeated: boolean
}

const at = ({ partition, offset }: { partition: number; offset: number }) => `partition ${partition}, offset ${offset}`
const isOfWorker = ({ run }: EventOf<'start'>) => typeof run === 'string'
const nameOf = (epoch: Epoch) => `${epoch.member} in epoch ${epoch.number}`

export class Checker {
  readonly #ownership: Ownership
  readonly #fences: Fences
  readonly #messages: Messages
  readonly #ledgers: readonly Ledger[]
  /** What a worker may take to learn what its member knows. */
  readonly #tellingUs: number
  readonly #violations: Violation[] = []
  readonly #broken = Object.fromEntries(Object.keys(PROPERTIES).map((name) => [name, 0])) as Record<Property, number>
  /** By process and run. */
  readonly #running = new Map<string, Run>()
  /** By partition and key, or offset where there is no key. */
  readonly #lanes = new Map<string, Set<Run>>()
  readonly #duplicates: Partial<Record<Cause, number>> = {}
  #runs = 0
  #failures = 0
  /** Workers that were lost, by member and name. */
  readonly #lostWorkers = new Set<string>()
  #commits = 0
  #observations = 0
  #planned = 0
  #carriedOut = 0
  #drained: EventOf<'drained'> | undefined

  constructor(ledgers: readonly Ledger[], timing: Timing) {
    this.#ledgers = ledgers
    this.#tellingUs = timing.eventMs * 1000
    this.#ownership = new Ownership(ledgers, timing.eventMs * 1000)
    this.#fences = new Fences(this.#ownership, timing)
    this.#messages = new Messages(ledgers)
  }

  check(): Verdict {
    for (const [writer, event] of inOrderOfTime(this.#ledgers)) this.#read(writer, event)
    this.#checkEnd()
    return {
      violations: this.#violations,
      broken: this.#broken,
      produced: this.#messages.produced,
      completed: this.#messages.completed,
      runs: this.#runs,
      failures: this.#failures,
      lostWorkers: this.#lostWorkers.size,
      duplicates: this.#duplicates,
      epochs: this.#ownership.epochs.length,
      lostEpochs: this.#ownership.epochs.filter(({ end }) => end === 'lost').length,
      commits: this.#commits,
      observations: this.#observations,
      longestStallMs: this.#messages.longestStall / 1000,
    }
  }

  #violates(property: Property, what: string): void {
    this.#broken[property] += 1
    if (this.#broken[property] <= MOST_SHOWN) this.#violations.push({ property, what })
  }

  #read(writer: string, event: LedgerEvent): void {
    switch (event.event) {
      case 'start':
        this.#start(writer, event)
        break
      case 'end':
      case 'failed':
        this.#end(writer, event)
        break
      case 'worker-gone':
        this.#workerGone(writer, event)
        break
      case 'assigned':
        this.#assigned(writer, event)
        break
      case 'revoked':
        this.#revoked(writer, event)
        break
      case 'committed':
        this.#commits += 1
        for (const { partition, offset } of event.partitions) this.#committed(writer, partition, offset, event.mono)
        break
      case 'observed':
        this.#observed(event)
        break
      case 'produced':
        this.#messages.arrived(event)
        break
      case 'exited':
        this.#exited(event)
        break
      case 'planned':
        this.#planned = event.faults
        break
      case 'fault':
        if (event.phase === 'ends') this.#carriedOut += 1
        break
      case 'drained':
        this.#drained = event
        this.#messages.end(event.mono)
    }
  }

  // --- Handlers ------------------------------------------------------------------------------------------------------

  #start(writer: string, start: EventOf<'start'>): void {
    this.#runs += 1
    const epoch = this.#ownership.find(writer, start.partition, start.epoch)
    if (epoch === undefined) {
      this.#violates('knows its losses', `${writer} started ${at(start)} in epoch ${start.epoch}, never assigned to it`)
      return
    }
    const run: Run = { start, epoch, repeated: false }
    this.#checkContent(start)
    this.#checkOwnership(run)
    this.#checkOverlap(run)
    this.#checkOrder(run)
    this.#checkRepetition(run)
    this.#running.set(`${writer}/${start.run}`, run)
    this.#laneOf(start).add(run)
  }

  #end(writer: string, end: HandlerEvent): void {
    const name = `${writer}/${end.run}`
    const run = this.#running.get(name)
    if (run === undefined) return
    this.#running.delete(name)
    this.#leaveLane(run)
    if (end.event === 'failed') {
      this.#failures += 1
      return
    }
    // Completed elsewhere while this one ran.
    if (!run.repeated) this.#countRepetition(run)
    const { partition, offset } = end
    this.#messages.complete(partition, offset, { epoch: run.epoch, taken: end.taken, endedAt: end.mono, run: end.run })
  }

  #checkContent(start: EventOf<'start'>): void {
    const key = this.#messages.keyAt(start.partition, start.offset)
    if (key === start.key && start.value === String(start.offset)) return
    const seen = `key ${start.key} and value ${start.value}`
    this.#violates('as produced', `${at(start)} came with ${seen}, produced with key ${key}`)
  }

  /** Where the epoch is over, only who cannot know it may start something. */
  #checkOwnership({ start, epoch }: Run): void {
    if (start.mono > epoch.endedAt) {
      // A worker has to be told; what it settles is fenced.
      if (isOfWorker(start) && start.mono <= epoch.endedAt + this.#tellingUs) return
      const late = `${((start.mono - epoch.endedAt) / 1000).toFixed(1)} ms after it was ${epoch.end}`
      this.#violates('knows its losses', `${nameOf(epoch)} started ${at(start)} at ${start.mono}, ${late}`)
      return
    }
    const successor = this.#ownership.successor(epoch, start.mono)
    if (successor === undefined) return
    const cause = this.#fences.between(epoch, successor, { taken: start.taken, endedAt: undefined })
    const isIgnorant = start.mono <= this.#fences.ignorantUntil(epoch, successor)
    if (cause !== undefined && (isIgnorant || successor.end === 'lost')) return
    const since = `${nameOf(successor)} owns it since ${successor.assignedAt}`
    this.#violates('knows its losses', `${nameOf(epoch)} started ${at(start)} at ${start.mono}, but ${since}`)
  }

  #checkOverlap(run: Run): void {
    for (const other of this.#laneOf(run.start)) {
      if (this.#mayMeet(run, other)) continue
      const first = `${nameOf(other.epoch)} ran ${at(other.start)} since ${other.start.mono}`
      const second = `${nameOf(run.epoch)} started ${at(run.start)} at ${run.start.mono}`
      this.#violates('no overlap', `key ${run.start.key}: ${first} when ${second}`)
    }
  }

  #mayMeet(run: Run, other: Run): boolean {
    if (run.epoch === other.epoch) return false
    const [older, younger] = run.epoch.assignedAt < other.epoch.assignedAt ? [run, other] : [other, run]
    const times = { taken: older.start.taken, endedAt: undefined }
    return this.#fences.between(older.epoch, younger.epoch, times) !== undefined
  }

  /** The message before it with its key is settled: in this epoch, or before the epoch began. */
  #checkOrder({ start, epoch }: Run): void {
    const before = this.#messages.previousOfKey(start.partition, start.offset)
    if (before < 0 || this.#messages.isSettledFor(epoch, before)) return
    const skipped = `offset ${before} with the same key (${start.key}) was not settled`
    this.#violates('no inversion', `${nameOf(epoch)} started ${at(start)} at ${start.mono}, but ${skipped}`)
  }

  #checkRepetition(run: Run): void {
    const { start, epoch } = run
    if (this.#messages.completion(start.partition, start.offset) === undefined) return
    if (start.offset < epoch.committed) {
      const known = `its committed offset was ${epoch.committed}`
      this.#violates('nothing committed again', `${nameOf(epoch)} started ${at(start)} at ${start.mono}, but ${known}`)
    } else if (
      this.#messages.wasKnownSettled(start.partition, start.offset, epoch.assignedAt) &&
      !this.#wasUnread(epoch)
    ) {
      const known = 'a commit that was seen before the assignment has it as settled'
      this.#violates('nothing committed again', `${nameOf(epoch)} started ${at(start)} at ${start.mono}, but ${known}`)
    }
    this.#countRepetition(run)
  }

  /** Some owner since the first one that did not learn what was committed. */
  #wasUnread(epoch: Epoch): boolean {
    return this.#ownership
      .of(epoch.partition)
      .some((each) => each.assignedAt <= epoch.assignedAt && this.#fences.isUnread(each))
  }

  #countRepetition(run: Run): void {
    const { start, epoch } = run
    const done = this.#messages.completion(start.partition, start.offset)
    if (done === undefined) return
    run.repeated = true
    const mine = { taken: start.taken, endedAt: undefined }
    const cause =
      done.epoch === epoch
        ? undefined
        : done.epoch.assignedAt < epoch.assignedAt
          ? this.#fences.ofRepetition(done.epoch, epoch, done)
          : this.#fences.ofRepetition(epoch, done.epoch, mine)
    if (cause !== undefined) {
      this.#duplicates[cause] = (this.#duplicates[cause] ?? 0) + 1
      return
    }
    if (this.#wasUnheard(done)) {
      this.#duplicates['worker lost'] = (this.#duplicates['worker lost'] ?? 0) + 1
      return
    }
    const first = `${nameOf(done.epoch)} completed it at ${done.endedAt} and ended as ${done.epoch.end} at ${done.epoch.endedAt}`
    this.#violates('duplicates explained', `${nameOf(epoch)} ran ${at(start)} at ${start.mono}; ${first}`)
  }

  /** Completed by a worker that has died since. */
  #wasUnheard({ epoch, run }: Completion): boolean {
    return this.#lostWorkers.has(`${epoch.member}/${String(run).split('/')[0]}`)
  }

  /** What it ran has ended with it. */
  #workerGone(member: string, { worker, hasDied, runs, mono }: EventOf<'worker-gone'>): void {
    const life = this.#ownership.lives.get(member)
    const isOver = life?.killedAt !== undefined || life?.closing !== undefined
    if (hasDied) this.#lostWorkers.add(`${member}/${worker}`)
    for (const name of runs) {
      const run = this.#running.get(`${member}/${name}`)
      if (run === undefined) continue
      this.#running.delete(`${member}/${name}`)
      this.#leaveLane(run)
      if (hasDied || isOver) continue
      this.#violates('no handler forgotten', `${member} never ended ${at(run.start)}, and ${worker} lived at ${mono}`)
    }
  }

  #laneOf({ partition, offset, key }: EventOf<'start'>): Set<Run> {
    const name = key === null ? `${partition}#${offset}` : `${partition}/${key}`
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      lane = new Set()
      this.#lanes.set(name, lane)
    }
    return lane
  }

  #leaveLane(run: Run): void {
    const { partition, offset, key } = run.start
    this.#laneOf(run.start).delete(run)
    if (key === null) this.#lanes.delete(`${partition}#${offset}`)
  }

  // --- Ownership and commits -----------------------------------------------------------------------------------------

  #assigned(writer: string, event: EventOf<'assigned'>): void {
    for (const { partition, epoch: number, committed } of event.partitions) {
      const epoch = this.#ownership.find(writer, partition, number)
      if (epoch === undefined) continue
      this.#messages.begin(epoch)
      if (committed >= 0) this.#committed(writer, partition, committed, event.mono)
      const seen = this.#messages.highestCommitted(partition)
      if (committed >= seen || (committed < 0 && this.#fences.isUnread(epoch))) continue
      const back = `${nameOf(epoch)} read ${committed} as committed for partition ${partition}, after ${seen}`
      this.#violates('commit below unsettled', back)
    }
  }

  #revoked(writer: string, event: EventOf<'revoked'>): void {
    if (event.lost) this.#checkLosses(writer, event)
    else this.#checkHandlers(writer, event)
  }

  #checkLosses(writer: string, { mono, partitions }: EventOf<'revoked'>): void {
    for (const partition of partitions) {
      const epoch = this.#ownership.of(partition).find((each) => each.member === writer && each.endedAt === mono)
      if (epoch === undefined || this.#fences.isExplainedLoss(epoch)) continue
      this.#violates('losses explained', `${nameOf(epoch)} lost partition ${partition} at ${mono}, without a cause`)
    }
  }

  #checkHandlers(writer: string, event: EventOf<'revoked'>): void {
    const revoked = new Set(event.partitions)
    for (const { start, epoch } of this.#running.values()) {
      if (epoch.member !== writer || epoch.endedAt !== event.mono || !revoked.has(epoch.partition)) continue
      if (this.#fences.outlastsRevoke(epoch, start.taken)) continue
      const waited = `taken only ${((event.mono - start.taken) / 1000).toFixed(1)} ms before`
      this.#violates(
        'waits for handlers',
        `${nameOf(epoch)} gave up ${at(start)} while it ran at ${event.mono}, ${waited}`,
      )
    }
  }

  #committed(writer: string, partition: number, offset: number, mono: number): void {
    this.#messages.noteCommitted(partition, offset)
    const unsettled = this.#messages.firstUnsettled(partition)
    if (offset <= unsettled) return
    const what = `${writer} saw offset ${offset} committed for partition ${partition} at ${mono}`
    this.#violates('commit below unsettled', `${what}, but ${unsettled} was not completed`)
  }

  #observed({ partition, offset, settled, mono }: EventOf<'observed'>): void {
    this.#observations += 1
    this.#committed('driver', partition, offset, mono)
    this.#messages.noteSettledBelow(partition, offset, mono)
    for (const [from, to] of settled) {
      for (let each = from; each <= to; each += 1) {
        if (this.#messages.completion(partition, each) === undefined) {
          const what = `the gap map of partition ${partition} at ${mono} has ${each} as settled`
          this.#violates('commit below unsettled', `${what}, which was not completed`)
        }
        this.#messages.noteSettled(partition, each, mono)
      }
    }
  }

  /** Its handlers are gone with it. */
  #exited({ member, code, signal }: EventOf<'exited'>): void {
    for (const [name, run] of this.#running) {
      if (run.epoch.member !== member) continue
      this.#running.delete(name)
      this.#leaveLane(run)
    }
    const life = this.#ownership.lives.get(member)
    if (life?.killedAt !== undefined) return
    if (code === 0 && life?.closing !== undefined && life.ended?.code === undefined) return
    const reason = life?.ended?.message ?? `exit code ${code}, signal ${signal}`
    const asked =
      life?.closing === undefined ? 'without being asked to' : `after close({ mode: '${life.closing.mode}' })`
    this.#violates('no end by itself', `${member} ended ${asked}: ${reason}`)
  }

  #checkEnd(): void {
    if (this.#messages.produced === 0) this.#violates('was a test', 'no message was produced')
    if (this.#carriedOut < this.#planned) {
      this.#violates('was a test', `${this.#carriedOut} of ${this.#planned} faults were carried out`)
    }
    this.#checkLoss()
    this.#checkDrained()
  }

  #checkLoss(): void {
    for (const { partition, offset } of this.#messages.lost()) {
      this.#violates('no loss', `partition ${partition}, offset ${offset} was never completed`)
    }
  }

  #checkDrained(): void {
    if (this.#drained === undefined) {
      this.#violates('drained', 'the driver did not see the end')
      return
    }
    for (const { partition, offset, logEnd } of this.#drained.partitions) {
      if (offset !== logEnd) this.#violates('drained', `partition ${partition}: committed ${offset} of ${logEnd}`)
    }
    for (const [partition, count] of this.#messages.counts()) {
      const row = this.#drained.partitions.find((each) => each.partition === partition)
      if (row?.logEnd === count) continue
      this.#violates('drained', `partition ${partition} has ${row?.logEnd} messages; ${count} were produced`)
    }
  }
}
