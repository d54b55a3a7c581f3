/**
 * Runs under sanitizers, once with address + undefined, once with thread: the C++ tests, the simulation, and the addon's
 * tests (test/addon: its threads and environments at their ends) in Node; with address + undefined also the engine contract
 * (test/contract), against every engine.
 *
 *   npm run sanitize [-- --only address|thread] [--seeds N]
 *
 * For thread, librdkafka is compiled with it too, once (scripts/setup/native-dependencies.mjs): ThreadSanitizer must
 * see what orders its threads. Races of its own that change nothing are listed, each with its reason, in
 * native/test/thread-sanitizer.supp. What these runs see and what not: docs/decisions/0010-sanitizers.md.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cmakeBuild } from './run/cmake.mjs'
import { CPP_TEST_PROGRAMS, runGoogleTest, runSimulation } from './run/cpp-tests.mjs'
import { runWithSanitizedAddon } from './run/sanitized-addon.mjs'
import { Tally } from './run/tally.mjs'
import { buildNativeDependencies } from './setup/native-dependencies.mjs'
import { buildDir, root } from './setup/paths.mjs'
import { orExplain } from './setup/progress.mjs'
import { setUpOrExit } from './setup.mjs'

/**
 * @typedef {object} Build
 * @property {string} sanitizers as in -fsanitize=
 * @property {import('./setup/native-dependencies.mjs').Variant} librdkafka
 * @property {Record<string, string>} env
 * @property {string[]} addonTests folders under test/
 * @property {number} simulated the share of the seeds; the simulation has one thread, which leaves little for thread
 */

/** @type {Record<'address' | 'thread', Build>} */
const builds = {
  address: {
    sanitizers: 'address,undefined',
    librdkafka: 'plain',
    addonTests: ['addon', 'contract'],
    env: { ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
    simulated: 1,
  },
  thread: {
    sanitizers: 'thread',
    librdkafka: 'thread',
    addonTests: ['addon'],
    env: {
      TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:suppressions=${join(root, 'native/test/thread-sanitizer.supp')}`,
    },
    simulated: 0.1,
  },
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: Object.keys(builds) },
    seeds: { type: 'string', default: '1000' },
  },
})

await setUpOrExit({ tests: true })
const tally = new Tally()
/** Preloading the sanitizer's runtime into Node is done as Linux does it. */
const addon = process.platform === 'linux'
for (const name of /** @type {const} */ (['address', 'thread'])) {
  if (!values.only.includes(name)) continue
  const { sanitizers, librdkafka, env, addonTests, simulated } = builds[name]
  await orExplain(() => buildNativeDependencies(librdkafka))
  const folder = `sanitize-${name}`
  const binDir = await cmakeBuild(folder, {
    CMAKE_BUILD_TYPE: 'Release',
    LANEWAY_TESTS: 'ON',
    LANEWAY_ADDON: addon ? 'ON' : 'OFF',
    LANEWAY_SANITIZE: sanitizers,
    LANEWAY_DEPENDENCY_VARIANT: librdkafka,
  })
  const programs = CPP_TEST_PROGRAMS.filter((program) => existsSync(join(binDir, program)))
  // Side by side: most of them have one thread, or wait for a broker.
  const running = programs.map((program) =>
    tally.add(`${program} under ${sanitizers}`, () => runGoogleTest(binDir, program, env)),
  )
  if (addon) {
    const run = () => orExplain(() => runWithSanitizedAddon(name, join(buildDir, folder), addonTests))
    running.push(tally.add(`the addon in Node under ${sanitizers}`, run))
  }
  await Promise.all(running)
  if (!existsSync(join(binDir, 'laneway_simulate'))) continue
  const seeds = Math.ceil(Number(values.seeds) * simulated)
  await tally.add(`simulation under ${sanitizers}, ${seeds} seeds`, () => runSimulation(binDir, seeds, env))
}
tally.close()
