/** The programs in C that a benchmark needs. CMake builds them beside the addon. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sourceFile } from '../../test/broker/package-root.js'

/** @throws Error where it is not built */
export function cProgram(name: 'laneway_c_loop' | 'laneway_c_produce'): string {
  const file = join(sourceFile('package.json'), '..', 'build', 'bin', name)
  if (!existsSync(file)) throw new Error(`${name} is not built; "npm run build" builds it`)
  return file
}
