/**
 * Runs the C++ tests and the simulation under sanitizers: once with address + undefined, once with thread.
 *
 *   npm run sanitize [-- --only address|thread] [--seeds N]
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cmakeBuild } from './run/cmake.mjs'
import { CPP_TEST_PROGRAMS, runGoogleTest, runSimulation } from './run/cpp-tests.mjs'
import { Tally } from './run/tally.mjs'
import { setUpOrExit } from './setup.mjs'

/** `simulated`: the share of the seeds; the simulation has one thread, which leaves little for thread to find. */
const builds = {
  address: {
    sanitizers: 'address,undefined',
    env: { ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
    simulated: 1,
  },
  thread: {
    sanitizers: 'thread',
    env: { TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1' },
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
for (const [name, { sanitizers, env, simulated }] of Object.entries(builds)) {
  if (!values.only.includes(name)) continue
  const binDir = await cmakeBuild(`sanitize-${name}`, {
    CMAKE_BUILD_TYPE: 'Release',
    LANEWAY_TESTS: 'ON',
    LANEWAY_SANITIZE: sanitizers,
  })
  // librdkafka is not instrumented: what its atomics order (its buffers' reference counts) looks like a race.
  const wanted = CPP_TEST_PROGRAMS.filter((program) => name !== 'thread' || program !== 'laneway_kafka_tests')
  const programs = wanted.filter((program) => existsSync(join(binDir, program)))
  // Side by side: most of them have one thread.
  await Promise.all(
    programs.map((program) => tally.add(`${program} under ${sanitizers}`, () => runGoogleTest(binDir, program, env))),
  )
  if (!existsSync(join(binDir, 'laneway_simulate'))) continue
  const seeds = Math.ceil(Number(values.seeds) * simulated)
  await tally.add(`simulation under ${sanitizers}, ${seeds} seeds`, () => runSimulation(binDir, seeds, env))
}
tally.close()
