/** A ledger from its records, for tests of what reads one. */
import { RECORD_BYTES } from '../contestants/ledger-writer.js'
import { Ledger } from './ledger.js'

export type Noted = readonly [what: 'start' | 'end', key: number, sequence: number, micros: number]

export function ledgerOf(records: readonly Noted[]): Ledger {
  const bytes = Buffer.alloc(records.length * RECORD_BYTES)
  records.forEach(([what, key, sequence, micros], index) => {
    const at = index * RECORD_BYTES
    bytes.writeUInt32LE(key, at)
    bytes.writeUInt32LE(sequence * 2 + (what === 'end' ? 1 : 0), at + 4)
    bytes.writeBigUInt64LE(BigInt(micros), at + 8)
  })
  return new Ledger(bytes)
}
