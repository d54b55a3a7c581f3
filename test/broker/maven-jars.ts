/** Fetches jars with Maven, as a pom.xml pins them. Nothing of the pom is compiled. */
import { runToEnd } from './run-to-end.js'

const FETCH_DEADLINE_MS = 10 * 60_000

/** The first error that Maven reports, without addresses: the reason is shown in reports, which other machines read. */
function reason(output: string): string {
  const error = /\[ERROR\] (.+)$/m.exec(output)?.[1] ?? output.slice(-4000)
  return error.replace(/ in \S+ \(https?:[^)]*\)|https?:\S+/g, '')
}

/**
 * Copies what the pom depends on at run time, with all that it depends on itself, into the folder.
 *
 * @throws Error with Maven's reason
 */
export async function fetchJars(pom: string, folder: string): Promise<void> {
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]
  // -U: Maven remembers that it has not found a jar, and would not look again.
  const maven = await runToEnd('mvn', ['-B', '-q', '-U', '-f', pom, ...goal], { deadlineMs: FETCH_DEADLINE_MS })
  if (maven.status !== 0) throw new Error(`Maven could not fetch jars: ${reason(maven.output)}`)
}
