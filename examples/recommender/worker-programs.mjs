/** The worker in each language, as a command for processes(). */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const build = join(here, '..', '..', 'build')

const programs = {
  /** The virtual environment with the Python SDK, which the set-up of this checkout has made. */
  python() {
    const command = join(build, 'python', 'bin', 'python')
    if (!existsSync(command))
      throw new Error('there is no Python with the SDK: start this with npm run example:recommender')
    return { command, args: [join(here, 'worker.py')] }
  },
  /** Built at once: `go build` does nothing where nothing has changed. */
  go() {
    const command = join(build, 'examples', 'recommender-worker')
    execFileSync('go', ['build', '-o', command, '.'], {
      cwd: join(here, 'go'),
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    return { command, args: [] }
  },
}

export const LANGUAGES = Object.keys(programs)

/**
 * @param {string} language
 * @returns {{ command: string, args: string[] }}
 */
export function workerProgram(language) {
  return programs[language]()
}
