/**
 * What a user of the Python SDK gets: `pip install ./workers/python` in a virtual environment that holds nothing else,
 * with whatever versions the package's own requirements allow today.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { v1 } from '../../ts/contracts/worker-contract.js'
import { sourceFile } from '../broker/package-root.js'
import { type Finished, runToEnd } from '../broker/run-to-end.js'
import { skipLoudly } from '../worker-conformance/absent-language.js'
import { pythonProgram } from '../worker-conformance/python.js'
import { Scene } from '../worker-conformance/scene.js'

const DEADLINE_MS = 3 * 60_000
const EXAMPLE = sourceFile('examples/recommender/worker.py')
const MADE_BY_OTHERS = /\/(build|dist|__pycache__|[^/]+\.egg-info|worker_pb2\.pyi?)$/

/** @param tools the interpreter that has mypy */
function testInstallation(tools: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'laneway-python-'))
  const python = join(folder, 'venv', 'bin', 'python')
  const test = suite('pip install ./workers/python')

  async function run(program: string, ...args: readonly string[]): Promise<string> {
    const { status, output }: Finished = await runToEnd(program, args, { cwd: folder, deadlineMs: DEADLINE_MS })
    assert.is(status, 0, output)
    return output
  }

  test.before(async () => {
    // A checkout in which nothing was generated or built.
    for (const part of ['proto', 'workers/python']) {
      cpSync(sourceFile(part), join(folder, 'checkout', part), {
        recursive: true,
        filter: (path) => !MADE_BY_OTHERS.test(path),
      })
    }
    await run('python3', '-m', 'venv', join(folder, 'venv'))
    await run(python, '-m', 'pip', 'install', '--disable-pip-version-check', './checkout/workers/python')
  })

  test.after(() => rmSync(folder, { recursive: true, force: true }))

  test('it can be imported, and brings all that it requires', async () => {
    await run(python, '-m', 'pip', 'check')
    assert.is(await run(python, '-c', 'import laneway_worker; print(laneway_worker.Worker.__name__)'), 'Worker\n')
  })

  test('a worker serves a host, and drains', async () => {
    const obey = sourceFile('test/worker-conformance/workers/obey.py')
    await using scene = new Scene({ command: python, args: [obey] })
    const { session, worker } = await scene.open()
    const [[lease] = []] = session.lease([[{}]])
    assert.is((await session.settlementOf(lease)).status, v1.Status.STATUS_COMPLETED, scene.complaints())
    worker.signal('SIGTERM')
    assert.is(await worker.ended(), 0)
  })

  test('its types are found: an example passes mypy, and a wrong handler does not', async () => {
    const mypy = ['-m', 'mypy', '--strict', '--python-executable', python, '--cache-dir', join(folder, 'mypy')]
    await run(tools, ...mypy, EXAMPLE)
    const wrong = 'from laneway_worker import Worker\nWorker(handlers={"score": 7})\n'
    const { status, stdout } = spawnSync(tools, [...mypy, '-c', wrong], { cwd: folder, encoding: 'utf8' })
    assert.is(status, 1)
    assert.match(stdout, /incompatible type/)
  })

  test.run()
}

const tools = pythonProgram([])
if (typeof tools === 'string') skipLoudly('pip install ./workers/python', tools)
else testInstallation(tools.command)
