/**
 * A client that laneway is measured against: its contestants, one per way of using it, and what it takes to have them
 * here. What cannot be prepared stays visible in the results, with the reason.
 */
import type { Contestant } from '../contestants/registry.js'

export interface Peer {
  readonly name: string
  /** Of its contestants, in the order of the tables. */
  readonly ids: readonly string[]
  /**
   * Installs what is not installed yet.
   *
   * @throws Error with the reason where it cannot take part on this machine
   */
  prepare(say: (line: string) => void): Promise<readonly Contestant[]>
}
