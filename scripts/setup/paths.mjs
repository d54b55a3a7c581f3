/**
 * Where things are: the checkout's folders, and the cache that several checkouts of one user share.
 * Nothing else in scripts/ spells these paths.
 */
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const buildDir = join(root, 'build')
export const distDir = join(root, 'dist')
/** Stamps of finished steps and logs of commands. Deleting it makes the next set-up check everything again. */
export const stateDir = join(buildDir, 'setup')
export const nodeModules = join(root, 'node_modules')
export const addonFile = join(buildDir, 'Release', 'laneway.node')

/**
 * What is slow to build and the same for every checkout (librdkafka, zstd).
 * @returns {string}
 */
export function cacheDir() {
  const chosen = process.env['LANEWAY_CACHE']
  if (chosen) return chosen
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'laneway')
}
