/**
 * Loads a package of a peer from the folder that it was installed into. Only what a contestant uses of it is typed, and
 * checked, by that contestant.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What the package exports, be it an ES module or not. */
export async function loadNpm(folder: string, name: string): Promise<unknown> {
  const entry = createRequire(join(folder, 'package.json')).resolve(name)
  const loaded: Record<string, unknown> = await import(pathToFileURL(entry).href)
  return loaded['default'] ?? loaded
}

/** As it was installed. */
export async function npmVersion(folder: string, name: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8'))
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version)
  throw new Error(`the manifest of ${name} has no version`)
}
