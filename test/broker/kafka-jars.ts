/**
 * Apache Kafka's jars, fetched with Maven once into the shared cache, and the answer to "can a broker run here?".
 * The cache folder is named after a hash of pom.xml, so another Kafka version is another folder.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, cachePath } from './cache.js'
import { fetchJars } from './maven-jars.js'
import { sourceFile } from './package-root.js'
import { runToEnd } from './run-to-end.js'

/** Kafka 4 brokers run on Java 17 and later. */
const MINIMUM_JAVA = 17
const PROBE_DEADLINE_MS = 30_000

export type BrokerAvailability =
  | { readonly available: true; readonly reason: '' }
  | { readonly available: false; readonly reason: string }

export function javaProgram(): string {
  const { JAVA_HOME: home } = process.env
  const program = home === undefined ? '' : join(home, 'bin', 'java')
  return program !== '' && existsSync(program) ? program : 'java'
}

const pomFile = (): string => sourceFile('test/broker/pom.xml')

/** As pom.xml has it, e.g. `4.1.2`. */
export async function kafkaVersion(): Promise<string> {
  const pom = await readFile(pomFile(), 'utf8')
  return /<artifactId>kafka_[\d.]+<\/artifactId>\s*<version>([\d.]+)</.exec(pom)?.[1] ?? 'of an unknown version'
}

async function jarFolder(): Promise<string> {
  const pom = await readFile(pomFile())
  const hash = createHash('sha256').update(pom).digest('hex')
  return `kafka-${hash.slice(0, 12)}`
}

/** Whether a broker can be started here. Never throws and downloads nothing: tests turn `reason` into a loud skip. */
export async function brokerAvailability(): Promise<BrokerAvailability> {
  const java = await runToEnd(javaProgram(), ['-version'], { deadlineMs: PROBE_DEADLINE_MS })
  const install = `install it with e.g. "apt-get install openjdk-${MINIMUM_JAVA}-jre-headless maven"`
  if (java.status !== 0) return { available: false, reason: `java does not run here; ${install}` }
  const major = Number(/version "(\d+)/.exec(java.output)?.[1] ?? Number.NaN)
  if (!(major >= MINIMUM_JAVA)) {
    const seen = java.output.split('\n')[0] ?? ''
    return { available: false, reason: `Java ${MINIMUM_JAVA} or later is needed, found ${seen}; ${install}` }
  }
  if (existsSync(cachePath(await jarFolder()))) return { available: true, reason: '' }
  const maven = await runToEnd('mvn', ['-version'], { deadlineMs: PROBE_DEADLINE_MS })
  if (maven.status === 0) return { available: true, reason: '' }
  return { available: false, reason: `mvn (Maven) does not run here and Kafka's jars are not cached; ${install}` }
}

/** Kafka's class path; fetches the jars where they are not cached yet (some 12 s, 43 MB). */
export async function kafkaClasspath(): Promise<string> {
  return join(await cached(await jarFolder(), fetchKafka), '*')
}

async function fetchKafka(folder: string): Promise<void> {
  await fetchJars(pomFile(), folder)
  const jars = await readdir(folder)
  if (!jars.some((jar) => jar.startsWith('kafka_'))) throw new Error('Maven ended well but fetched no Kafka jar')
}
