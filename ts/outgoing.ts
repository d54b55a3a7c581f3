/** A record that a user wants to be produced, checked and in the form of the raw calls. */
import { LanewayError } from './errors.js'
import type { OutgoingRecord } from './ports/engine.js'

export interface RawOutgoing {
  readonly topic: string
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  /** Names and values, one after the other. */
  readonly headers: (Uint8Array | string | null)[] | null
}

const MAX_PARTITION = 2 ** 31 - 1

function invalid(field: string, expected: string): LanewayError {
  return new LanewayError('RECORD_INVALID', `${field}: must be ${expected}`, {
    issues: [{ field, message: `must be ${expected}` }],
  })
}

function bytes(field: string, value: unknown): Uint8Array | null {
  if (value === undefined || value === null) return null
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value)
  throw invalid(field, 'bytes, a string or null')
}

function wholeNumber(field: string, value: number | undefined, most: number, otherwise: number): number {
  if (value === undefined) return otherwise
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  throw invalid(field, `a whole number from 0 to ${most}`)
}

function flatHeaders(headers: unknown): RawOutgoing['headers'] {
  if (headers === undefined || headers === null) return null
  if (!Array.isArray(headers)) throw invalid('headers', 'a list of names and values')
  return headers.flatMap((header: unknown, index) => {
    const [name, value]: unknown[] = Array.isArray(header) ? header : []
    if (typeof name !== 'string') throw invalid(`headers.${index}`, 'a name and a value')
    return [name, bytes(`headers.${index}`, value)]
  })
}

/** @throws LanewayError `RECORD_INVALID`, naming the first wrong field */
export function outgoing(record: OutgoingRecord): RawOutgoing {
  if (typeof record !== 'object' || record === null) throw invalid('record', 'an object')
  if (typeof record.topic !== 'string' || record.topic === '') throw invalid('topic', 'a name')
  return {
    topic: record.topic,
    partition: wholeNumber('partition', record.partition, MAX_PARTITION, -1),
    key: bytes('key', record.key),
    value: bytes('value', record.value),
    timestamp: wholeNumber('timestamp', record.timestamp, Number.MAX_SAFE_INTEGER, 0),
    headers: flatHeaders(record.headers),
  }
}
