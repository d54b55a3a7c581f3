/**
 * `laneway metadata`: gap maps from and to commit metadata, one JSON line out for each line in. A line that is not valid
 * gets an error as its answer, and the next line is read.
 */
import { once } from 'node:events'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { LanewayError, translate } from '../errors.js'
import { addon, type RawCarrier } from '../native.js'
import { linesOf, TOO_LONG } from './lines.js'
import { wholeNumber } from './options.js'

type Line = string | typeof TOO_LONG
type Format = 'laneway' | 'confluent'

interface EncodeOptions {
  readonly format: Format
  readonly carrier: RawCarrier
  readonly maxUnits: number
}

/** A map covers at most 2^24 offsets; longer lines than any sensible one of them are not read into memory. */
const MAX_LINE_UNITS = 64 * 1024 * 1024

const offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const decodeLine = z.object({ offset, metadata: z.string() })
const encodeLine = z.object({
  base: offset,
  highest: z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER),
  gaps: z.array(offset),
})

function invalid(message: string): LanewayError {
  return new LanewayError('METADATA_INVALID', message)
}

function parse<T>(line: Line, schema: z.ZodType<T>): T {
  if (line === TOO_LONG) throw invalid(`line: longer than ${MAX_LINE_UNITS} characters`)
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw invalid(`not JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'line'}: ${message}`).join('; '))
}

function decode(line: Line, format: Format | undefined): unknown {
  const { offset: base, metadata } = parse(line, decodeLine)
  const map = translate(() => addon.decodeMetadata(base, metadata, format ?? 'auto'))
  return { format: map.format, base: map.base, highest: map.highest, gaps: [...map.gaps] }
}

function encode(line: Line, { format, carrier, maxUnits }: EncodeOptions): unknown {
  const { base, highest, gaps } = parse(line, encodeLine)
  const encoded = translate(() =>
    addon.encodeMetadata(base, highest, Float64Array.from(gaps), format, carrier, maxUnits),
  )
  const { metadata, units } = encoded
  // Cut from the top to fit: what is left is true, and says less.
  return encoded.highest === highest ? { metadata, units } : { metadata, units, highest: encoded.highest }
}

function answer(work: () => unknown): string {
  try {
    return JSON.stringify(work())
  } catch (error) {
    if (!LanewayError.is(error)) throw error
    return JSON.stringify({ error: { code: error.code, message: error.message } })
  }
}

async function forEachLine(work: (line: Line) => unknown): Promise<void> {
  for await (const line of linesOf(process.stdin, MAX_LINE_UNITS)) {
    if (!process.stdout.write(`${answer(() => work(line))}\n`)) await once(process.stdout, 'drain')
  }
}

export function addMetadata(program: Command): void {
  const metadata = program
    .command('metadata')
    .description('Translate gap maps from and to commit metadata: JSON Lines on stdin, one line out for each.')
  const format = () => new Option('--format <format>', 'metadata format').choices(['laneway', 'confluent'])
  const carrier = () => new Option('--carrier <carrier>', 'text form').choices(['base32768', 'base64'])
  metadata
    .command('decode')
    .description('{"offset", "metadata"} -> {"format", "base", "highest", "gaps"} or {"error": {"code", "message"}}')
    .addOption(format())
    .addOption(carrier().hideHelp())
    .action((options: { format?: Format }) => forEachLine((line) => decode(line, options.format)))
  metadata
    .command('encode')
    .description('{"base", "highest", "gaps"} -> {"metadata", "units"}; cut from the top where it does not fit')
    .addOption(format().default('laneway'))
    .addOption(carrier().default('base32768'))
    .option('--max-units <n>', 'most UTF-16 units to use', wholeNumber(0, 100_000_000), 100_000_000)
    .action((options: EncodeOptions) => forEachLine((line) => encode(line, options)))
}
