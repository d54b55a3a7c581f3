/** What contestants say that they are built on, merged for a report. */
import type { Result } from '../contestants/task.js'

/** Where two have different versions of the same, both are named. */
export class Versions {
  readonly #byName = new Map<string, Set<string>>()

  add({ versions }: Pick<Result, 'versions'>): void {
    for (const [name, version] of Object.entries(versions)) {
      const all = this.#byName.get(name) ?? new Set()
      this.#byName.set(name, all.add(version))
    }
  }

  all(): Record<string, string> {
    return Object.fromEntries([...this.#byName].map(([name, versions]) => [name, [...versions].join(' and ')]))
  }
}
