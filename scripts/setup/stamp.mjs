/**
 * Decides whether a step is out of date: a stamp holds the digest of everything that went into the step when it last
 * succeeded. Files go in by path, size and modification time: reading them all would cost most of a no-op's second,
 * and a wrong "out of date" only costs an incremental build.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root, stateDir } from './paths.mjs'

/**
 * @param {string} text
 * @returns {string} 16 hexadecimal digits
 */
export function digest(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/**
 * The digest of files and of everything under folders; what is absent counts as absent.
 * @param {readonly string[]} paths
 * @param {(path: string) => boolean} [wanted]
 * @returns {string}
 */
export function digestOfPaths(paths, wanted = () => true) {
  const lines = paths.flatMap((path) => describe(path, wanted))
  return digest(lines.join('\n'))
}

/**
 * @param {string} path
 * @param {(path: string) => boolean} wanted
 * @returns {string[]}
 */
function describe(path, wanted) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return [`${relative(root, path)} absent`]
  if (!stat.isDirectory()) return [`${relative(root, path)} ${stat.size} ${stat.mtimeMs}`]
  return readdirSync(path)
    .sort()
    .filter((entry) => entry !== 'node_modules')
    .map((entry) => join(path, entry))
    .filter((entry) => statSync(entry, { throwIfNoEntry: false })?.isDirectory() || wanted(entry))
    .flatMap((entry) => describe(entry, wanted))
}

export class Stamp {
  /** @param {string} name one step */
  constructor(name) {
    this.file = join(stateDir, `${name}.stamp`)
  }

  /** @returns {string} what {@link write} was last given, '' where there is no stamp */
  read() {
    try {
      return readFileSync(this.file, 'utf8')
    } catch {
      return ''
    }
  }

  /** @param {string} value */
  write(value) {
    mkdirSync(dirname(this.file), { recursive: true })
    writeFileSync(this.file, value)
  }

  /** A step that starts has no valid result until it ends. */
  clear() {
    rmSync(this.file, { force: true })
  }
}
