/**
 * The file of baselines, docs/bench_baselines.json: for each case of the gate its ratios to the limit, and the history of
 * every change with its reason. It is read as a whole and written as a whole; nothing else changes it.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'

/** `speed`: in messages/s; `cpu`: the limit's CPU per message by that of laneway. Higher is better in both. */
export const RATIO_KINDS = ['speed', 'cpu'] as const
export type RatioKind = (typeof RATIO_KINDS)[number]

const ratiosSchema = z.partialRecord(z.enum(RATIO_KINDS), z.number().positive())
/** Of one case. Where the limit is an ideal that uses no CPU there is a speed alone. */
export type Ratios = Readonly<z.output<typeof ratiosSchema>>

const changeSchema = z.strictObject({
  case: z.string(),
  /** null where the case is new. */
  old: ratiosSchema.nullable(),
  new: ratiosSchema,
})

const entrySchema = z.strictObject({
  /** ISO 8601. */
  date: z.string(),
  /** As `git describe` names it; "-dirty" where there was more than the commit. */
  commit: z.string(),
  reason: z.string().min(1),
  machine: z.string(),
  changes: z.array(changeSchema),
})
export type HistoryEntry = z.output<typeof entrySchema>

const baselinesSchema = z.strictObject({
  cases: z.record(z.string(), ratiosSchema),
  /** The latest last. */
  history: z.array(entrySchema),
})
export type Baselines = z.output<typeof baselinesSchema>

/** @throws Error that names the file and what is wrong in it */
export async function readBaselines(path: string): Promise<Baselines> {
  const { success, data, error } = baselinesSchema.safeParse(JSON.parse(await readFile(path, 'utf8')))
  if (!success) throw new Error(`${path}: ${z.prettifyError(error)}`)
  return data
}

export async function writeBaselines(path: string, baselines: Baselines): Promise<void> {
  await writeFile(path, `${JSON.stringify(baselines, null, 2)}\n`)
}

/** Where and why baselines change. */
export type Occasion = Omit<HistoryEntry, 'changes'>

/** The baselines with what was measured in the place of what was there, and one more entry of history. */
export function updated(
  { cases, history }: Baselines,
  measured: ReadonlyMap<string, Ratios>,
  { date, commit, reason, machine }: Occasion,
): Baselines {
  const changes = [...measured].map(([id, ratios]) => ({ case: id, old: cases[id] ?? null, new: ratios }))
  return {
    cases: { ...cases, ...Object.fromEntries(measured) },
    history: [...history, { date, commit, reason, machine, changes }],
  }
}
