/** The Python SDK's own tests and checks, and its distributions: each holds what an installation needs. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { skipLoudly } from './absent-language.js'
import { pythonProgram, pythonSdk } from './python.js'

/** The output of a Python module that must end well. */
function run(python: string, module: string, args: readonly string[] = []): string {
  const { status, stdout, stderr } = spawnSync(python, ['-m', module, ...args], { cwd: pythonSdk, encoding: 'utf8' })
  assert.is(status, 0, `${module}: ${stdout}${stderr}`)
  return stdout
}

function testPackage(python: string): void {
  const tests = suite('laneway_worker')
  const folder = mkdtempSync(join(tmpdir(), 'laneway-python-'))
  tests.after(() => rmSync(folder, { recursive: true, force: true }))

  tests('its own tests', () => {
    assert.match(run(python, 'pytest', ['-q', '-p', 'no:cacheprovider']), /\d+ passed/)
  })

  tests('its types (mypy --strict)', () => {
    run(python, 'mypy', ['--cache-dir', join(folder, 'mypy')])
  })

  tests('its format and style', () => {
    run(python, 'ruff', ['format', '--no-cache', '--check', '.'])
    run(python, 'ruff', ['check', '--no-cache', '.'])
  })

  tests('a wheel that is built from its source distribution holds the generated contract and the types', () => {
    // Without an option it builds the source distribution, and the wheel out of that, apart from the checkout.
    run(python, 'build', ['--no-isolation', '--outdir', folder])
    const [wheel = ''] = readdirSync(folder).filter((name) => name.endsWith('.whl'))
    const listed = run(python, 'zipfile', ['--list', join(folder, wheel)])
    for (const file of ['__init__.py', 'py.typed', '_contract/worker_pb2.py', '_contract/worker_pb2.pyi']) {
      assert.match(listed, `laneway_worker/${file}`)
    }
  })

  tests.run()
}

const program = pythonProgram([])
if (typeof program === 'string') skipLoudly('laneway_worker', program)
else testPackage(program.command)
