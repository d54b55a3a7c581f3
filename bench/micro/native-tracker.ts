/** Loads the module of the micro benchmarks (native/tracker.cc): the offset tracker by itself. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { sourceFile } from '../../test/broker/package-root.js'

export interface NativeTracker {
  /** Everything from the position up to `end`, which is excluded. */
  deliver(end: number): void
  /** @returns the lowest offset that is not settled */
  settle(offsets: Float64Array): number
  gaps(): Float64Array
  /** What a commit carries now, in at most so many UTF-16 units. */
  commitMetadata(maxUnits: number): string
}

interface MicroModule {
  readonly Tracker: new () => NativeTracker
}

const file = join(sourceFile('package.json'), '..', 'build', 'Release', 'laneway_micro.node')

export function newNativeTracker(): NativeTracker {
  const module: MicroModule = createRequire(import.meta.url)(file)
  return new module.Tracker()
}
