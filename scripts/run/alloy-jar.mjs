/**
 * The Alloy Analyzer, fetched with Maven once into the shared cache. The version and the content are pinned here: what
 * does not have this hash is not run, wherever it came from.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture, run } from '../setup/command.mjs'
import { withLock } from '../setup/lock.mjs'
import { cacheDir } from '../setup/paths.mjs'
import { SetupError, step } from '../setup/progress.mjs'

const VERSION = '6.2.0'
const SHA256 = '6037cbeee0e8423c1c468447ed10f5fcf2f2743a2ffc39cb1c81f2905c0fdb9d'
const ARTIFACT = 'org.alloytools.alloy.dist'
const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
const INSTALL = 'install it with e.g. "apt-get install openjdk-17-jre-headless maven"'

/** @returns {string} */
export function javaProgram() {
  const home = process.env['JAVA_HOME']
  const program = home ? join(home, 'bin', 'java') : ''
  return program !== '' && existsSync(program) ? program : 'java'
}

/** @returns {Promise<string>} the path of the jar; rejects with a SetupError where there is none and none can be had */
export async function alloyJar() {
  if (capture(javaProgram(), ['-version']) === null) throw new SetupError(`java does not run here; ${INSTALL}`)
  const folder = join(cacheDir(), `alloy-${VERSION}`)
  const jar = join(folder, `${ARTIFACT}-${VERSION}.jar`)
  mkdirSync(cacheDir(), { recursive: true })
  await withLock(`${folder}.lock`, async () => {
    if (!existsSync(jar)) await step(`fetching Alloy ${VERSION}, once, into ${cacheDir()}`, () => fetchInto(folder))
  })
  const hash = createHash('sha256').update(readFileSync(jar)).digest('hex')
  if (hash !== SHA256) throw new SetupError(`${jar} is not Alloy ${VERSION}: its SHA-256 is ${hash}, not ${SHA256}`)
  return jar
}

/** @param {string} folder appears by one rename, whole or not at all */
async function fetchInto(folder) {
  if (capture('mvn', ['-version']) === null) throw new SetupError(`mvn (Maven) does not run here; ${INSTALL}`)
  const partial = mkdtempSync(`${folder}.partial-`)
  try {
    const artifact = `-Dartifact=org.alloytools:${ARTIFACT}:${VERSION}`
    // In the empty folder: a checkout's own files are no Maven project.
    await run('alloy', 'mvn', ['-B', '-q', COPY_GOAL, artifact, `-DoutputDirectory=${partial}`], { cwd: partial })
    renameSync(partial, folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}
