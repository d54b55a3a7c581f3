/**
 * Version 1 of the Standard Schema interface (standardschema.dev), which zod, valibot, arktype and others offer. Types
 * only, and written down here as the specification recommends: laneway must not depend on a schema library of its user,
 * nor put one more package beside it for the sake of a few types. It holds what laneway reads, and nothing else.
 */

export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    /** For the compiler alone: no library sets it. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
  }
}

/** Without issues the value is valid. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a schema makes of a valid value. */
export type StandardOutput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['output']
