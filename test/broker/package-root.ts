/** Files that stay in the source tree, found from compiled code, wherever the compiler has put it. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The path of a file of this repository, e.g. `test/broker/pom.xml`. */
export function sourceFile(path: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, path))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`${path} was not found in any folder above the compiled code`)
    folder = parent
  }
  return join(folder, path)
}
