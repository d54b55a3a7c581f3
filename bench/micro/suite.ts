/**
 * What a micro benchmark is made of: suites of cases, and in each case contenders that do the same work on the same input:
 * laneway's own code, and what a user would write by hand in plain JavaScript.
 */

export interface Contender {
  readonly label: string
  readonly role: 'laneway' | 'plain'
  /** What it needs before each call of `run` or `check`; not timed. */
  readonly prepare?: () => void | Promise<void>
  /** All operations of the case, once. */
  readonly run: () => unknown
  /** The same work, told in a form that is equal for all contenders of the case. */
  readonly check: () => unknown
  /** `run` returns a promise. */
  readonly isAsync?: boolean
  /** What its output takes in commit metadata: UTF-16 units. */
  readonly units?: number
}

export interface Case {
  readonly title: string
  /** What one operation is, in the singular. */
  readonly operation: string
  /** In one call of `run`. */
  readonly operations: number
  readonly contenders: readonly Contender[]
}

export interface Suite {
  readonly id: string
  readonly title: string
  /** What is compared with what, and what it leaves out. */
  readonly description: string
  /** The cases, and what ends what they need. */
  open(): Promise<OpenSuite>
}

export interface OpenSuite extends AsyncDisposable {
  readonly cases: readonly Case[]
}

/** For a suite that holds nothing that would have to be ended. */
export function casesAlone(cases: readonly Case[]): OpenSuite {
  return { cases, [Symbol.asyncDispose]: async () => undefined }
}
