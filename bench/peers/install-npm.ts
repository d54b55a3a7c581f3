/**
 * Installs a peer's npm packages on demand, from its own lockfile in bench/peers/NAME, into the shared cache: they are
 * no dependencies of laneway. Install scripts do not run, since several would download binaries; a peer that has
 * something to compile hands in how.
 */
import { createHash } from 'node:crypto'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../test/broker/cache.js'
import { sourceFile } from '../../test/broker/package-root.js'
import { runToEnd } from '../../test/broker/run-to-end.js'

const FILES = ['package.json', 'package-lock.json', '.npmrc']
const INSTALL_DEADLINE_MS = 5 * 60_000

/**
 * The folder whose node_modules hold the peer, ready to be loaded.
 *
 * @param build makes of installed packages what an install script would have made
 * @throws Error with the end of the output of what failed
 */
export async function installNpm(
  name: string,
  say: (line: string) => void,
  build?: (folder: string) => Promise<void>,
): Promise<string> {
  const peerFile = (file: string): string => sourceFile(`bench/peers/${name}/${file}`)
  const hash = createHash('sha256')
  for (const file of FILES) hash.update(await readFile(peerFile(file)))
  const binary = `node${process.versions.modules}-${process.platform}-${process.arch}`
  return cached(`${name}-${binary}-${hash.digest('hex').slice(0, 12)}`, async (folder) => {
    say(`installing the peer ${name}`)
    for (const file of FILES) await copyFile(peerFile(file), join(folder, file))
    // A peer may run on another Node than npm does.
    const install = await runToEnd('npm', ['ci', '--engine-strict=false'], {
      cwd: folder,
      deadlineMs: INSTALL_DEADLINE_MS,
    })
    if (install.status !== 0) throw new Error(`npm ci failed:\n${install.output.slice(-2000)}`)
    await build?.(folder)
  })
}
