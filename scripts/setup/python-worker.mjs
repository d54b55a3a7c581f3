/**
 * A virtual environment with the Python SDK (workers/python), for its tests, its checks and the examples: what it needs in
 * the versions and with the hashes of its requirements, and the SDK itself as an editable installation, which also generates
 * the code of the contract. Where there is no Python that can do so, the tests of Python workers are skipped and say so.
 */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture, run } from './command.mjs'
import { buildDir, root } from './paths.mjs'
import { say, step } from './progress.mjs'
import { digest, digestOfPaths, Stamp } from './stamp.mjs'

const OLDEST = [3, 10]
const sdk = join(root, 'workers', 'python')
const requirements = join(sdk, 'requirements', 'test.txt')
const venvDir = join(buildDir, 'python')

/** The interpreter of the virtual environment; test/worker-conformance/python.ts spells this path, too. */
export const venvPython = join(venvDir, 'bin', 'python')

export async function setUpPythonWorker() {
  const version = capture('python3', ['-c', 'import ensurepip, sys, venv; print(sys.version)'])
  if (version === null || !isRecent(version)) {
    say(`laneway: no Python ${OLDEST.join('.')} or newer with venv here: Python workers are not tested`)
    return
  }
  const packages = new Stamp('python-packages')
  const wanted = digest([version, digestOfPaths([requirements])].join('\n'))
  if (packages.read() !== wanted || !existsSync(venvPython)) {
    await step('installing the locked Python packages', async () => {
      packages.clear()
      rmSync(venvDir, { recursive: true, force: true })
      await run('python-venv', 'python3', ['-m', 'venv', venvDir])
      await pip('python-packages', ['--require-hashes', '--only-binary', ':all:', '--requirement', requirements])
      packages.write(wanted)
    })
  }
  const editable = new Stamp('python-worker')
  const built = ['pyproject.toml', 'setup.py'].map((file) => join(sdk, file))
  const inputs = digest([wanted, digestOfPaths([...built, join(root, 'proto')])].join('\n'))
  if (editable.read() === inputs) return
  await step('installing the Python SDK', async () => {
    editable.clear()
    await pip('python-worker', ['--no-deps', '--no-build-isolation', '--editable', sdk])
    editable.write(inputs)
  })
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 */
async function pip(name, args) {
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input']
  await run(name, venvPython, ['-m', 'pip', 'install', ...quiet, ...args])
}

/** @param {string} version */
function isRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}
