/**
 * Builds the native code with cmake-js into build/: the addon build/Release/laneway.node and, for the tests, the
 * programs in build/bin. CMake decides what to compile again; this only decides whether to ask it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { jobs, run } from './command.mjs'
import { addonFile, buildDir, nodeModules, root } from './paths.mjs'
import { say, step } from './progress.mjs'
import { digest, digestOfPaths, Stamp } from './stamp.mjs'
import { compilers } from './system-tools.mjs'

const INPUTS = [
  'CMakeLists.txt',
  'cmake',
  'native',
  'bench/c-loop',
  'bench/micro/native',
  'scripts/native-dependencies.mjs',
]

/**
 * @param {import('./native-dependencies.mjs').NativeDependencies} dependencies
 * @param {{ tests: boolean }} options
 */
export async function buildNative(dependencies, { tests }) {
  const stamp = new Stamp('native')
  const inputs = digest(
    [
      dependencies.folder,
      compilers.c,
      compilers.cxx,
      process.env['CI'] ?? '',
      digestOfPaths(INPUTS.map((path) => join(root, path))),
    ].join('\n'),
  )
  // A build with tests is also one without: going back and forth between `npm test` and `npm run demo` costs nothing.
  const done = stamp.read()
  const isBuilt = done === `${inputs} with tests` || (!tests && done === inputs)
  if (isBuilt && existsSync(addonFile)) return
  const withTests = tests || done.endsWith('with tests')
  await step(`building the native code${withTests ? ' and its tests' : ''}`, async () => {
    stamp.clear()
    await configure(withTests)
    showWarnings(await cmakeJs('native-build', ['build']))
    stamp.write(withTests ? `${inputs} with tests` : inputs)
  })
}

/** @param {boolean} withTests */
async function configure(withTests) {
  const options = {
    CMAKE_C_COMPILER: compilers.c,
    CMAKE_CXX_COMPILER: compilers.cxx,
    LANEWAY_NODE: process.execPath,
    LANEWAY_TESTS: withTests ? 'ON' : 'OFF',
    LANEWAY_WERROR: process.env['CI'] ? 'ON' : 'OFF',
  }
  const definitions = Object.entries(options).map(([name, value]) => `--CD${name}=${value}`)
  await cmakeJs('native-configure', ['configure', ...definitions])
}

/**
 * In CI they are errors.
 * @param {string} output of the build
 */
function showWarnings(output) {
  const warnings = output.split('\n').filter((line) => line.includes('warning:'))
  for (const warning of new Set(warnings)) say(warning)
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 * @returns {Promise<string>} its output
 */
async function cmakeJs(name, args) {
  const program = join(nodeModules, 'cmake-js', 'bin', 'cmake-js')
  // Not its `compile`: after a failure that removes all of build/ and starts again.
  const options = ['--prefer-make', '--directory', root, '--out', buildDir, '--parallel', String(jobs)]
  return run(name, process.execPath, [program, ...args, ...options], {
    env: { CMAKE_BUILD_PARALLEL_LEVEL: String(jobs) },
  })
}
