/** Who may open a session, and what the host knows of whoever does. */
import type { Metadata } from '@grpc/grpc-js'

/** What is known of a worker besides its Hello. */
export interface Admission {
  /** For logs. */
  readonly name: string
  /** When what it has shown holds no longer, in ms since the epoch; its session ends then. */
  readonly expiresAtMs?: number | undefined
  /**
   * Resolves when nothing of the worker can run any more, for workers that the host can watch: what it held comes back
   * then, without waiting for deadlines.
   */
  readonly gone?: Promise<void>
  /** It has said hello, and is welcome. */
  readonly greeted?: () => void
  /** It was told to cancel a handler a while ago, and has not said that the handler has ended. */
  readonly overdue?: () => void
  /** Its session has ended; clean: the worker has closed its stream, and held nothing. */
  readonly over?: (isClean: boolean) => void
}

/** Resolves with what is known of a worker, or rejects with why it is refused. */
export type Admit = (metadata: Metadata) => Promise<Admission> | Admission
