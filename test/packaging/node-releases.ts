/**
 * The Node releases of test/packaging/node-versions, one per supported major: npm packages that are nothing but Node's
 * binary. Installed once into the shared cache (about 10 s and 500 MB).
 */
import { createHash } from 'node:crypto'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../broker/cache.js'
import { sourceFile } from '../broker/package-root.js'
import { runToEnd } from '../broker/run-to-end.js'

const FILES = ['package.json', 'package-lock.json', '.npmrc']
const INSTALL_DEADLINE_MS = 5 * 60_000

export const SUPPORTED_MAJORS = [20, 22, 24] as const

const ownFile = (name: string): string => sourceFile(`test/packaging/node-versions/${name}`)

async function install(folder: string): Promise<void> {
  for (const file of FILES) await copyFile(ownFile(file), join(folder, file))
  const { status, output } = await runToEnd('npm', ['ci'], { cwd: folder, deadlineMs: INSTALL_DEADLINE_MS })
  if (status !== 0) throw new Error(`the releases of Node could not be installed:\n${output.slice(-2000)}`)
}

/** The folder that holds nothing but the `node` of this major: a whole PATH, for a machine without a compiler. */
export async function nodeFolder(major: number): Promise<string> {
  const lockfile = await readFile(ownFile('package-lock.json'))
  const hash = createHash('sha256').update(lockfile).digest('hex').slice(0, 12)
  const folder = await cached(`node-releases-${process.platform}-${process.arch}-${hash}`, install)
  return join(folder, 'node_modules', `node-${major}-${process.arch}`, 'bin')
}
