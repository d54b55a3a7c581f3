/**
 * Makes a checkout ready: installs the locked packages and builds what is out of date. A call with nothing to do takes
 * well under a second, so that every npm script starts with it. Runs before anything is installed: Node alone.
 *
 *   node scripts/setup.mjs [--tests]
 *
 * Progress goes to stderr, the output of each command to build/setup/NAME.log. See scripts/setup/ for each step.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { withLock } from './setup/lock.mjs'
import { buildNative } from './setup/native-build.mjs'
import { buildNativeDependencies } from './setup/native-dependencies.mjs'
import { installNodeModules } from './setup/node-modules.mjs'
import { stateDir } from './setup/paths.mjs'
import { orExplain } from './setup/progress.mjs'
import { setUpPythonWorker } from './setup/python-worker.mjs'
import { checkSystemTools, forgetSystemTools } from './setup/system-tools.mjs'
import { buildTypeScript } from './setup/typescript.mjs'

/**
 * @param {{ tests?: boolean }} [options] tests: also the C++ tests, the simulation, the compiled tests of TypeScript and what
 *   tests of Python workers need
 * @returns {Promise<void>} rejects with a SetupError that a person can act on
 */
export async function setUp({ tests = false } = {}) {
  await withLock(join(stateDir, 'lock'), async () => {
    checkSystemTools({ tests })
    await installNodeModules()
    try {
      const dependencies = await buildNativeDependencies()
      await buildNative(dependencies, { tests })
      await buildTypeScript({ tests })
      if (tests) await setUpPythonWorker()
    } catch (error) {
      forgetSystemTools()
      throw error
    }
  })
}

/**
 * {@link setUp} for the start of an npm script: ends the process where it fails.
 * @param {{ tests?: boolean }} [options]
 */
export async function setUpOrExit(options) {
  await orExplain(() => setUp(options))
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { tests: { type: 'boolean', default: false } } })
  await setUpOrExit(values)
}
