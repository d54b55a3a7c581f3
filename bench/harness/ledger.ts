/**
 * The checker: what a contestant's ledger says beside the producer's. A message is lost where its handler never ended, it
 * came twice where its handler started twice, and the order of a key is broken where a handler starts before the one of
 * the message before it has ended, or after one of a later message has started.
 */
import { readFile } from 'node:fs/promises'
import { RECORD_BYTES } from '../contestants/ledger-writer.js'

const TWO_TO_32 = 2 ** 32

/** The records of a file, in their order; see bench/contestants/ledger-writer.ts. */
export class Ledger {
  readonly length: number
  readonly #bytes: Buffer

  /** @throws Error where the bytes are not whole records */
  constructor(bytes: Buffer) {
    if (bytes.length % RECORD_BYTES !== 0)
      throw new Error(`a ledger ends in the middle of a record (${bytes.length} B)`)
    this.#bytes = bytes
    this.length = bytes.length / RECORD_BYTES
  }

  key(record: number): number {
    return this.#bytes.readUInt32LE(record * RECORD_BYTES)
  }

  /** Of the message within its key. */
  sequence(record: number): number {
    return this.#bytes.readUInt32LE(record * RECORD_BYTES + 4) >>> 1
  }

  /** Whether a handler has ended, or has started (a producer's records are all of the second kind). */
  isEnd(record: number): boolean {
    return (this.#bytes.readUInt32LE(record * RECORD_BYTES + 4) & 1) === 1
  }

  /** Since the epoch. */
  micros(record: number): number {
    const at = record * RECORD_BYTES + 8
    return this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * TWO_TO_32
  }
}

/** @throws Error where there is none, or one that ends in the middle of a record */
export async function readLedger(path: string): Promise<Ledger> {
  return new Ledger(await readFile(path))
}

/** One number for each message, the same in all ledgers of a topic. */
export function messageNumber(ledger: Ledger, record: number): number {
  return ledger.key(record) * 2 ** 21 + ledger.sequence(record)
}

export interface LedgerFindings {
  /** Produced. */
  readonly messages: number
  readonly losses: number
  readonly duplicates: number
  readonly disorders: number
  /** Records that no message that was produced explains, and ends without a start. */
  readonly strays: number
  /** From the start of the first handler to the end of the last one. */
  readonly seconds: number
  /** From start to end, summed over all handlers: what the work took as it was measured. */
  readonly workSeconds: number
  /** The same of the key that has most of it. */
  readonly longestChainSeconds: number
}

/** @throws Error where the producer's ledger cannot be one: a key's sequence numbers do not count from 0 */
export function checkLedger(produced: Ledger, handled: Ledger): LedgerFindings {
  const check = new Check(numbering(produced))
  for (let record = 0; record < handled.length; record += 1) check.add(handled, record)
  return check.findings()
}

/** What of a run is wrong, in words. A contestant that keeps no order is not blamed for breaking it. */
export function faultsOf(
  { losses, duplicates, disorders, strays }: LedgerFindings,
  { keepsKeyOrder }: { readonly keepsKeyOrder: boolean },
): string[] {
  const faults: readonly (readonly [number, string])[] = [
    [losses, 'lost'],
    [duplicates, 'twice'],
    [keepsKeyOrder ? disorders : 0, 'out of order'],
    [strays, 'that were never produced, or ended without a start'],
  ]
  return faults.flatMap(([count, what]) => (count === 0 ? [] : [`${count.toLocaleString('en')} ${what}`]))
}

/** A number for every message that was produced: those of a key are consecutive, in their order. */
interface Numbering {
  readonly messages: number
  readonly keys: number
  /** Undefined where there is no such message. */
  numberOf(key: number, sequence: number): number | undefined
}

function numbering(produced: Ledger): Numbering {
  const counts: number[] = []
  for (let record = 0; record < produced.length; record += 1) {
    const key = produced.key(record)
    const count = counts[key] ?? 0
    if (produced.sequence(record) !== count)
      throw new Error(`the producer's ledger skips message ${count} of key ${key}`)
    counts[key] = count + 1
  }
  const keys = counts.length
  const firsts = new Uint32Array(keys + 1)
  for (let key = 0; key < keys; key += 1) firsts[key + 1] = (firsts[key] ?? 0) + (counts[key] ?? 0)
  return {
    messages: produced.length,
    keys,
    numberOf: (key, sequence) => (sequence < (counts[key] ?? 0) ? (firsts[key] ?? 0) + sequence : undefined),
  }
}

class Check {
  readonly #numbering: Numbering
  /** µs of the first start of each message, 0 before it. */
  readonly #startedAt: Float64Array
  readonly #hasEnded: Uint8Array
  /** Of each key: handlers that run, the latest message that has started, µs of work. */
  readonly #running: Uint32Array
  readonly #latest: Int32Array
  readonly #chains: Float64Array
  #ends = 0
  #duplicates = 0
  #disorders = 0
  #strays = 0
  #firstStart = Number.POSITIVE_INFINITY
  #lastEnd = Number.NEGATIVE_INFINITY

  constructor(numbering: Numbering) {
    const { messages, keys } = numbering
    this.#numbering = numbering
    this.#startedAt = new Float64Array(messages)
    this.#hasEnded = new Uint8Array(messages)
    this.#running = new Uint32Array(keys)
    this.#latest = new Int32Array(keys).fill(-1)
    this.#chains = new Float64Array(keys)
  }

  add(handled: Ledger, record: number): void {
    const key = handled.key(record)
    const sequence = handled.sequence(record)
    const number = this.#numbering.numberOf(key, sequence)
    if (number === undefined) this.#strays += 1
    else if (handled.isEnd(record)) this.#end(key, number, handled.micros(record))
    else this.#start(key, sequence, number, handled.micros(record))
  }

  #start(key: number, sequence: number, number: number, micros: number): void {
    const isFirst = this.#startedAt[number] === 0
    const latest = this.#latest[key] ?? -1
    // What comes again may come late; but never beside another one.
    if ((this.#running[key] ?? 0) > 0 || (isFirst && sequence < latest)) this.#disorders += 1
    if (isFirst) this.#startedAt[number] = micros
    else this.#duplicates += 1
    this.#latest[key] = Math.max(latest, sequence)
    this.#running[key] = (this.#running[key] ?? 0) + 1
    this.#firstStart = Math.min(this.#firstStart, micros)
  }

  #end(key: number, number: number, micros: number): void {
    const startedAt = this.#startedAt[number] ?? 0
    const running = this.#running[key] ?? 0
    if (startedAt === 0 || running === 0) {
      this.#strays += 1
      return
    }
    this.#running[key] = running - 1
    this.#lastEnd = Math.max(this.#lastEnd, micros)
    if (this.#hasEnded[number] === 1) return
    this.#hasEnded[number] = 1
    this.#ends += 1
    this.#chains[key] = (this.#chains[key] ?? 0) + micros - startedAt
  }

  findings(): LedgerFindings {
    const { messages } = this.#numbering
    let work = 0
    let longest = 0
    for (const chain of this.#chains) {
      work += chain
      longest = Math.max(longest, chain)
    }
    return {
      messages,
      losses: messages - this.#ends,
      duplicates: this.#duplicates,
      disorders: this.#disorders,
      strays: this.#strays,
      seconds: this.#ends === 0 ? 0 : (this.#lastEnd - this.#firstStart) / 1e6,
      workSeconds: work / 1e6,
      longestChainSeconds: longest / 1e6,
    }
  }
}
