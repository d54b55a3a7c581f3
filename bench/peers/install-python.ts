/**
 * Installs Python packages of a peer on demand, as the requirements.txt in bench/peers/NAME pins them, into a virtual
 * environment in the shared cache. The Python that it needs may be newer than the system's: those that pyenv has
 * installed are looked at, too.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { cached } from '../../test/broker/cache.js'
import { sourceFile } from '../../test/broker/package-root.js'
import { runToEnd } from '../../test/broker/run-to-end.js'

const PROBE_DEADLINE_MS = 30_000
const INSTALL_DEADLINE_MS = 5 * 60_000

/** Minor versions of Python 3, both included. */
export interface PythonRange {
  readonly oldest: number
  readonly newest: number
}

async function ofPyenv(): Promise<string[]> {
  const folder = join(process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions')
  if (!existsSync(folder)) return []
  return (await readdir(folder)).map((version) => join(folder, version, 'bin', 'python3'))
}

/** The minor version of a Python 3 that can make a virtual environment; undefined for anything else. */
async function minorVersion(python: string): Promise<number | undefined> {
  const program = 'import ensurepip, sys, venv; print(sys.version_info.major, sys.version_info.minor)'
  const { status, output } = await runToEnd(python, ['-c', program], { deadlineMs: PROBE_DEADLINE_MS })
  const minor = /^3 (\d+)\s*$/.exec(output)?.[1]
  return status === 0 && minor !== undefined ? Number(minor) : undefined
}

async function findPython({ oldest, newest }: PythonRange): Promise<string> {
  const named = Array.from({ length: newest - oldest + 1 }, (_, index) => `python3.${newest - index}`)
  for (const python of ['python3', ...named, ...(await ofPyenv())]) {
    const minor = await minorVersion(python)
    if (minor !== undefined && minor >= oldest && minor <= newest) return python
  }
  throw new Error(`no Python from 3.${oldest} to 3.${newest} with venv was found, in PATH or in pyenv`)
}

/**
 * The interpreter of the virtual environment.
 *
 * @throws Error with the reason where no Python fits, or with the end of pip's output
 */
export async function installPython(name: string, range: PythonRange, say: (line: string) => void): Promise<string> {
  const requirements = sourceFile(`bench/peers/${name}/requirements.txt`)
  const python = await findPython(range)
  const version = await minorVersion(python)
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .update(python)
    .digest('hex')
  const folder = await cached(`${name}-python3.${version}-${hash.slice(0, 12)}`, async (partial) => {
    say(`installing the Python packages of the peer ${name}`)
    await succeed(python, ['-m', 'venv', partial])
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input']
    const locked = ['--require-hashes', '--only-binary', ':all:', '--requirement', requirements]
    // The environment is moved to its place afterwards: its interpreter does not mind, only its scripts would.
    await succeed(join(partial, 'bin', 'python'), ['-m', 'pip', 'install', ...quiet, ...locked])
  })
  return join(folder, 'bin', 'python')
}

async function succeed(program: string, args: readonly string[]): Promise<void> {
  const { status, output } = await runToEnd(program, args, { deadlineMs: INSTALL_DEADLINE_MS })
  if (status !== 0) throw new Error(`${program} ${args.slice(0, 3).join(' ')} failed:\n${output.slice(-2000)}`)
}
