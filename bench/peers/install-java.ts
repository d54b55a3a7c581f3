/**
 * Installs a peer in Java on demand, into the shared cache: its jars, as the pom.xml in bench/peers/NAME pins them, and
 * its program there, compiled together with what all of them have in common (bench/peers/jvm). The compiler comes as a
 * jar, too, because the Java that runs a broker often has none.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { cached } from '../../test/broker/cache.js'
import { fetchJars } from '../../test/broker/maven-jars.js'
import { sourceFile } from '../../test/broker/package-root.js'
import { runToEnd } from '../../test/broker/run-to-end.js'

const COMPILE_DEADLINE_MS = 2 * 60_000

export interface JavaOptions {
  /** Finds the java that compiles the program and runs it, or installs it. */
  readonly findJava: () => Promise<string>
  /** The version of the language, which that java runs. */
  readonly release: number
}

export interface JavaPeer {
  readonly java: string
  readonly classPath: string
}

const shortHash = (texts: readonly (string | Buffer)[]): string => {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(text)
  return hash.digest('hex').slice(0, 12)
}

async function jarsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.jar')).map((name) => join(folder, name))
}

/** The class path of the compiler. */
async function compiler(): Promise<string> {
  const pom = sourceFile('bench/peers/jvm/pom.xml')
  const folder = await cached(`ecj-${shortHash([await readFile(pom)])}`, (partial) => fetchJars(pom, partial))
  return (await jarsIn(folder)).join(delimiter)
}

async function javaFiles(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true })
  return files.filter((name) => name.endsWith('.java')).map((name) => join(folder, name))
}

async function compile(files: readonly string[], folder: string, java: string, release: number): Promise<void> {
  const main = 'org.eclipse.jdt.internal.compiler.batch.Main'
  const classPath = (await jarsIn(join(folder, 'jars'))).join(delimiter)
  const options = ['-nowarn', '-source', `${release}`, '-target', `${release}`, '-encoding', 'UTF-8']
  const args = ['-cp', await compiler(), main, ...options, '-cp', classPath, '-d', join(folder, 'classes'), ...files]
  const { status, output } = await runToEnd(java, args, { deadlineMs: COMPILE_DEADLINE_MS })
  if (status !== 0) throw new Error(`${java} could not compile the peer's program:\n${output.slice(-4000)}`)
}

/**
 * The peer's program, ready to run.
 *
 * @throws Error with the reason of what failed
 */
export async function installJava(
  name: string,
  { findJava, release }: JavaOptions,
  say: (line: string) => void,
): Promise<JavaPeer> {
  const pom = sourceFile(`bench/peers/${name}/pom.xml`)
  const files = [...(await javaFiles(sourceFile('bench/peers/jvm'))), ...(await javaFiles(dirname(pom)))]
  const contents = await Promise.all([pom, ...files].map((file) => readFile(file)))
  const folder = await cached(`${name}-${shortHash([...contents, `${release}`])}`, async (partial) => {
    say(`installing the peer ${name}`)
    await fetchJars(pom, join(partial, 'jars'))
    await compile(files, partial, await findJava(), release)
  })
  const classPath = [join(folder, 'classes'), join(folder, 'jars', '*')].join(delimiter)
  return { java: await findJava(), classPath }
}
