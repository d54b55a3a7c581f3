/**
 * Keeps a benchmark going: what fails is said, noted as a fault of the report and left out, so that nobody else goes
 * unmeasured for it. What finishes is checked for losses, duplicates and the order of keys.
 */
import type { Contestant } from '../contestants/registry.js'
import { checkLedger, faultsOf, type Ledger } from './ledger.js'

interface Ledgers {
  readonly produced: Ledger
  readonly handled: Ledger
}

export class Attempts {
  readonly #say: (line: string) => void
  readonly faults: string[] = []

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** Undefined where it failed. */
  async make<T>(title: string, what: () => Promise<T>): Promise<T | undefined> {
    try {
      return await what()
    } catch (error) {
      this.#note(`${title}: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  /** Notes what the ledgers of a run have to complain about. */
  check(title: string, contestant: Contestant, { produced, handled }: Ledgers): void {
    for (const fault of faultsOf(checkLedger(produced, handled), contestant)) {
      this.#note(`${title}, ${contestant.label}: ${fault}`)
    }
  }

  #note(fault: string): void {
    this.#say(`FAULT  ${fault}`)
    this.faults.push(fault)
  }
}
