/**
 * Commit metadata as the group commands see it: any group's is read, and what cannot be read is said and is never an
 * error; what is written has the format and the text form of what was there.
 */
import { LanewayError, translate } from '../errors.js'
import { addon, type RawCarrier, type RawGapMap } from '../native.js'
import { committable, cut, type Settled } from './settled.js'

/** `corrupt`: laneway's or Confluent's, but it does not decode. */
export type SeenFormat = 'none' | 'laneway' | 'confluent' | 'foreign' | 'corrupt'

export interface SeenMetadata {
  readonly format: SeenFormat
  /** Absent where the metadata cannot be read: the offset alone counts. */
  readonly map?: RawGapMap
  /** Why it cannot be read. */
  readonly problem?: string
}

export function readMetadata(offset: number, metadata: string): SeenMetadata {
  try {
    const map = translate(() => addon.decodeMetadata(offset, metadata, 'auto'))
    return { format: map.format, map }
  } catch (error) {
    if (!LanewayError.is(error)) throw error
    return { format: error.code === 'METADATA_FOREIGN' ? 'foreign' : 'corrupt', problem: error.message }
  }
}

export interface MetadataForm {
  readonly format: 'laneway' | 'confluent'
  readonly carrier: RawCarrier
}

/** The form to write where this was: Confluent's where it was Confluent's, else laneway's. */
export function formOf(format: SeenFormat, metadata: string): MetadataForm {
  if (format === 'confluent') return { format, carrier: 'base64' }
  const isPlain = format === 'laneway' && [...metadata].every((character) => character < '\x80')
  return { format: 'laneway', carrier: isPlain ? 'base64' : 'base32768' }
}

export interface WrittenMetadata {
  readonly metadata: string
  readonly units: number
  /** What the text says: less than was asked for where it was cut to fit. */
  readonly settled: Settled
}

export function writeMetadata(settled: Settled, { format, carrier }: MetadataForm, maxUnits: number): WrittenMetadata {
  const base = committable(settled)
  const encoded = translate(() => addon.encodeMetadata(base, settled.end - 1, settled.gaps, format, carrier, maxUnits))
  return { metadata: encoded.metadata, units: encoded.units, settled: cut(settled, encoded.highest) }
}
