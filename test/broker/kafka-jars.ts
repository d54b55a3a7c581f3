/**
 * Fetches Apache Kafka's jars with Maven, once, into the cache that all checkouts share ($LANEWAY_CACHE, else
 * ~/.cache/laneway), and says what is missing where it cannot.
 *
 * The folder is named after a hash of pom.xml and appears by one rename, so a half-finished download is never used.
 * The lock only spares a second process the work (and Maven's own repository two writers); safety rests on the rename.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Kafka 4 brokers run on Java 17 and later. */
const MINIMUM_JAVA = 17
const FETCH_DEADLINE_MS = 10 * 60_000
const PROBE_DEADLINE_MS = 30_000
const LOCK_POLL_MS = 200

export type BrokerAvailability =
  | { readonly available: true; readonly reason: '' }
  | { readonly available: false; readonly reason: string }

interface Finished {
  readonly status: number | undefined
  readonly output: string
}

/** Runs a program to its end; `status` is undefined where it could not be started or was stopped by the deadline. */
export function runToEnd(program: string, args: readonly string[], deadlineMs: number): Promise<Finished> {
  return new Promise((resolve) => {
    const options = { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 } as const
    execFile(program, [...args], options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`
      if (error === null) resolve({ status: 0, output })
      else if (typeof error.code === 'number') resolve({ status: error.code, output })
      else resolve({ status: undefined, output: `${output}${error.message}` })
    })
  })
}

export function javaProgram(): string {
  const { JAVA_HOME: home } = process.env
  const program = home === undefined ? '' : join(home, 'bin', 'java')
  return program !== '' && existsSync(program) ? program : 'java'
}

export function cacheFolder(): string {
  const { LANEWAY_CACHE: chosen } = process.env
  return chosen === undefined || chosen === '' ? join(homedir(), '.cache', 'laneway') : chosen
}

/** The tests run from a build folder; pom.xml stays in the source tree, found from the package's root. */
function pomFile(): string {
  const candidate = (folder: string): string => join(folder, 'test', 'broker', 'pom.xml')
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(candidate(folder))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('test/broker/pom.xml was not found above the compiled broker fixture')
    folder = parent
  }
  return candidate(folder)
}

async function jarFolder(): Promise<string> {
  const pom = await readFile(pomFile())
  const hash = createHash('sha256').update(pom).digest('hex')
  return join(cacheFolder(), `kafka-${hash.slice(0, 12)}`)
}

/** Whether a broker can be started here. Never throws and downloads nothing: tests turn `reason` into a loud skip. */
export async function brokerAvailability(): Promise<BrokerAvailability> {
  const java = await runToEnd(javaProgram(), ['-version'], PROBE_DEADLINE_MS)
  const install = `install it with e.g. "apt-get install openjdk-${MINIMUM_JAVA}-jre-headless maven"`
  if (java.status !== 0) return { available: false, reason: `java does not run here; ${install}` }
  const major = Number(/version "(\d+)/.exec(java.output)?.[1] ?? Number.NaN)
  if (!(major >= MINIMUM_JAVA)) {
    const seen = java.output.split('\n')[0] ?? ''
    return { available: false, reason: `Java ${MINIMUM_JAVA} or later is needed, found ${seen}; ${install}` }
  }
  if (existsSync(await jarFolder())) return { available: true, reason: '' }
  const maven = await runToEnd('mvn', ['-version'], PROBE_DEADLINE_MS)
  if (maven.status === 0) return { available: true, reason: '' }
  return { available: false, reason: `mvn (Maven) does not run here and Kafka's jars are not cached; ${install}` }
}

/** Kafka's class path; fetches the jars where they are not cached yet (some 12 s, 43 MB). */
export async function kafkaClasspath(): Promise<string> {
  const folder = await jarFolder()
  if (!existsSync(folder)) await withLock(`${folder}.lock`, () => fetchJars(folder))
  return join(folder, '*')
}

async function fetchJars(folder: string): Promise<void> {
  if (existsSync(folder)) return
  const partial = await mkdtemp(`${folder}.partial-`)
  try {
    const args = ['-B', '-q', '-f', pomFile(), 'dependency:copy-dependencies', '-DincludeScope=runtime']
    const maven = await runToEnd('mvn', [...args, `-DoutputDirectory=${partial}`], FETCH_DEADLINE_MS)
    if (maven.status !== 0) throw new Error(`Maven could not fetch Kafka's jars:\n${maven.output.slice(-4000)}`)
    const jars = await readdir(partial)
    if (!jars.some((jar) => jar.startsWith('kafka_'))) throw new Error('Maven ended well but fetched no Kafka jar')
    await rename(partial, folder)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** A lock file that names its holder; one left by a process that has died is taken away. */
async function withLock(file: string, work: () => Promise<void>): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const giveUpAt = Date.now() + FETCH_DEADLINE_MS
  while (!(await tryLock(file))) {
    const holder = Number(await readFile(file, 'utf8').catch(() => ''))
    if (holder > 0 && !isAlive(holder)) await rm(file, { force: true })
    else if (Date.now() > giveUpAt) throw new Error(`waited too long for ${file}, held by process ${holder}`)
    else await delay(LOCK_POLL_MS)
  }
  try {
    await work()
  } finally {
    await rm(file, { force: true })
  }
}

async function tryLock(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx')
    await handle.writeFile(String(process.pid))
    await handle.close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
