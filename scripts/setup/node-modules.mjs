/** Installs the locked npm dependencies, when they are not the ones that are installed. No install script runs. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.mjs'
import { nodeModules, root } from './paths.mjs'
import { step } from './progress.mjs'
import { digest, Stamp } from './stamp.mjs'

export async function installNodeModules() {
  const stamp = new Stamp('node-modules')
  const wanted = digest(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  // npm writes this file last; a folder without it is not finished, or was removed.
  if (stamp.read() === wanted && existsSync(join(nodeModules, '.package-lock.json'))) return
  await step('installing the locked npm packages', async () => {
    stamp.clear()
    await run('npm-ci', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
    stamp.write(wanted)
  })
}
