/**
 * Why two runs of one message, or two messages of one key, may rightly meet: the rules by which an epoch ends.
 *
 * - **crash**: the process was killed. What it had settled since its last commit comes again.
 * - **lost**: the group went on without the member. The member learns of it with the next answer it gets; until then it
 *   may go on, and even start what it holds, as any client may. Only a disturbance (stopped, cut off, no broker) lets that
 *   happen, and once it has passed, the member has `learningMs` to learn.
 * - **revoke timeout**: handlers ran longer than a revoke waits; the partition moves without them.
 * - **close timeout** and **abort**: the same for close(), which waits for its deadline, or not at all.
 * - **commit failed**: the partition moved in order, but the broker did not answer the last commit, or refused it.
 * - **worker lost**: a worker died with what it had ended and its member had not heard of.
 * - **unread**: the broker did not tell a new owner what the group had committed. Only the offset is known then.
 *
 * Everything else is a defect. A rule here excuses one epoch against one other one, never all that a process does.
 */
import { US_PER_MS } from './ledger.js'
import type { Epoch, Ownership, Span } from './ownership.js'

export const CAUSES = [
  'crash',
  'lost',
  'revoke timeout',
  'close timeout',
  'abort',
  'commit failed',
  'worker lost',
  'unread',
] as const
export type Cause = (typeof CAUSES)[number]

/** In ms, as the members were told. */
export interface Timing {
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** From the moment that a member can hear from its group again until it knows what happened. */
  readonly learningMs: number
  /** What the event of something that happened natively may take to the ledger. */
  readonly eventMs: number
}

/** One run of a handler, as far as a fence needs it. */
export interface RunTimes {
  /** When its message was taken from the dispatcher. */
  readonly taken: number
  readonly endedAt: number | undefined
}

/** A fence needs a silence of about a session; heartbeats are sent in intervals, so that a little less is enough. */
const SILENT_SHARE = 0.75
/** What a commit that failed is told with. */
const COMMIT_WARNINGS: ReadonlySet<string> = new Set(['COMMIT_FAILED', 'MEMBERSHIP_LOST', 'TIMED_OUT'])

export class Fences {
  readonly #ownership: Ownership
  readonly #timing: Timing

  constructor(ownership: Ownership, timing: Timing) {
    this.#ownership = ownership
    this.#timing = timing
  }

  /** Until when the epoch's process may rightly not know that `by` has taken the partition over. */
  ignorantUntil(epoch: Epoch, by: Epoch): number {
    const learning = this.#timing.learningMs * US_PER_MS
    let until = by.assignedAt + learning
    // A disturbance that begins before the process could learn puts it off; several may follow one another.
    for (let moved = true; moved; ) {
      const spans = this.#ownership.disturbances(epoch.member, { from: by.assignedAt, to: until })
      const latest = Math.max(until, ...spans.map(({ to }) => to + learning))
      moved = latest > until
      until = latest
    }
    return until
  }

  /**
   * Why what `run` did under `older` may meet what is done under `younger`; undefined: it may not.
   * @param older assigned first
   */
  between(older: Epoch, younger: Epoch, run: RunTimes): Cause | undefined {
    if (older.end === 'died' && this.#wasKilledBefore(older, younger)) return 'crash'
    if (this.#wasFenced(older, younger)) return 'lost'
    const event = this.#timing.eventMs * US_PER_MS
    if (older.end === 'revoked' && older.endedAt <= younger.assignedAt + event) return this.#outrun(older, run)
    // The younger one was over before its process knew that it had begun.
    return this.#wasStale(younger) ? 'lost' : undefined
  }

  /** Why a message that was settled under `older` comes again under `younger`; undefined: it must not. */
  ofRepetition(older: Epoch, younger: Epoch, run: RunTimes): Cause | undefined {
    const fence = this.between(older, younger, run)
    if (fence !== undefined) return fence
    if (this.#lastCommitFailed(older, run)) return 'commit failed'
    return this.#wasUnread(older, younger) ? 'unread' : undefined
  }

  /** Whether a revoke in order, or a close, may leave this run behind. */
  outlastsRevoke(epoch: Epoch, taken: number): boolean {
    return this.#outrun(epoch, { taken, endedAt: undefined }) !== undefined
  }

  /** True where the epoch's process read no committed offset although the group had one. */
  isUnread(epoch: Epoch): boolean {
    if (epoch.committed >= 0) return false
    const warnings = this.#ownership.lives.get(epoch.member)?.warnings ?? []
    const near = (mono: number) => Math.abs(mono - epoch.assignedAt) < this.#timing.eventMs * US_PER_MS
    return warnings.some(({ mono }) => near(mono))
  }

  /** Whether the group had reason to go on without the member when it told it so. */
  isExplainedLoss(epoch: Epoch): boolean {
    return this.#wasSilent(epoch.member, epoch.endedAt) || this.#gaveSessionUp(epoch) || this.#hadStaleCommit(epoch)
  }

  /**
   * A member gives its session up by itself where the group has not answered for so long. On a busy machine the answers before a
   * disturbance are late too, so that the disturbance may be the smaller part of the silence; without one it is a defect.
   */
  #gaveSessionUp({ member, endedAt }: Epoch): boolean {
    const silences = this.#ownership.lives.get(member)?.silences ?? []
    const last = silences.find(({ to }) => Math.abs(to - endedAt) < this.#timing.eventMs * US_PER_MS)
    return last !== undefined && this.#ownership.disturbances(member, last).length > 0
  }

  /**
   * A commit whose answer a disturbance has swallowed is sent again by librdkafka as it was. Where the group has rebalanced
   * meanwhile, it is refused for its old generation, and librdkafka gives up all that it has in the new one.
   */
  #hadStaleCommit({ member, endedAt }: Epoch): boolean {
    const { sessionTimeoutMs, learningMs, eventMs } = this.#timing
    const span = { from: endedAt - (sessionTimeoutMs + learningMs) * US_PER_MS, to: endedAt }
    const warnings = this.#ownership.lives.get(member)?.warnings ?? []
    const isRefusal = ({ code, mono }: { code: string; mono: number }) =>
      code === 'MEMBERSHIP_LOST' && Math.abs(mono - endedAt) < eventMs * US_PER_MS
    return warnings.some(isRefusal) && this.#ownership.disturbances(member, span).length > 0
  }

  #wasKilledBefore(older: Epoch, younger: Epoch): boolean {
    const killedAt = this.#ownership.lives.get(older.member)?.killedAt
    if (killedAt === undefined) return false
    // Killed before it could learn that it had been fenced: the kill, or what silenced it before, is the cause.
    return killedAt <= younger.assignedAt || this.#wasSilent(older.member, younger.assignedAt)
  }

  #wasFenced(older: Epoch, younger: Epoch): boolean {
    if (older.endedAt < younger.assignedAt) return older.end === 'lost'
    const learnedInTime = older.endedAt <= this.ignorantUntil(older, younger)
    if (older.end === 'lost') return learnedInTime
    // It was silenced while it gave the partition up, or died or revoked before it heard.
    return learnedInTime && older.end !== 'open' && this.#wasSilent(older.member, younger.assignedAt)
  }

  #wasStale(epoch: Epoch): boolean {
    return epoch.end === 'lost' && this.#wasSilent(epoch.member, epoch.assignedAt)
  }

  /** Disturbed for long enough before `at` for the group to go on without it. */
  #wasSilent(member: string, at: number): boolean {
    const session = this.#timing.sessionTimeoutMs * US_PER_MS
    const learning = this.#timing.learningMs * US_PER_MS
    const spans = this.#ownership.disturbances(member, { from: at - session - learning, to: at })
    const silence = spans.reduce((sum, { from, to }) => sum + Math.min(to, at) - from, 0)
    return silence >= session * SILENT_SHARE
  }

  #outrun(epoch: Epoch, { taken, endedAt = Number.POSITIVE_INFINITY }: RunTimes): Cause | undefined {
    if (epoch.end !== 'revoked') return undefined
    // The event comes a little after the fence: a run that ended in between was fenced.
    if (endedAt < epoch.endedAt - this.#timing.eventMs * US_PER_MS) return undefined
    const closing = this.#ownership.lives.get(epoch.member)?.closing
    if (closing !== undefined && closing.mono < epoch.endedAt) {
      if (closing.mode === 'abort') return 'abort'
      if (epoch.endedAt - closing.mono >= closing.deadlineMs * US_PER_MS) return 'close timeout'
    }
    // Nothing is taken once a revoke has begun: it began after `taken`, and has waited no longer than since then.
    const waited = epoch.endedAt - taken
    return waited >= this.#timing.rebalanceTimeoutMs * US_PER_MS ? 'revoke timeout' : undefined
  }

  #lastCommitFailed(epoch: Epoch, run: RunTimes): boolean {
    if (epoch.end !== 'revoked' || run.endedAt === undefined) return false
    const span: Span = { from: run.endedAt, to: epoch.endedAt + this.#timing.eventMs * US_PER_MS }
    const warnings = this.#ownership.lives.get(epoch.member)?.warnings ?? []
    const ofCommit = ({ code, mono }: { code: string; mono: number }) =>
      COMMIT_WARNINGS.has(code) && mono >= span.from && mono <= span.to
    return warnings.some(ofCommit) || this.#ownership.disturbances(epoch.member, span).length > 0
  }

  #wasUnread(older: Epoch, younger: Epoch): boolean {
    return this.#ownership
      .of(younger.partition)
      .some(
        (each) => each.assignedAt > older.assignedAt && each.assignedAt <= younger.assignedAt && this.isUnread(each),
      )
  }
}
