/** Fetches jars with Maven, as a pom.xml pins them. Nothing of the pom is compiled. */
import { runToEnd } from './run-to-end.js'

const FETCH_DEADLINE_MS = 10 * 60_000

/**
 * Copies what the pom depends on at run time, with all that it depends on itself, into the folder.
 *
 * @throws Error with the end of Maven's output
 */
export async function fetchJars(pom: string, folder: string): Promise<void> {
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]
  const maven = await runToEnd('mvn', ['-B', '-q', '-f', pom, ...goal], { deadlineMs: FETCH_DEADLINE_MS })
  if (maven.status !== 0) throw new Error(`Maven could not fetch the jars of ${pom}:\n${maven.output.slice(-4000)}`)
}
