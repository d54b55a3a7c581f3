/**
 * Runs every fuzz target (native/test/fuzz/NAME_fuzz.cc) under the address and undefined-behaviour sanitizers.
 *
 *   npm run fuzz -- [--seconds 60] [--only NAME]
 *
 * Needs Clang with its compiler-rt. Inputs worth keeping from run to run go to native/test/fuzz/corpus/NAME (read);
 * what a run finds grows in build/fuzz/corpus/NAME, and an input that fails is left in build/fuzz as crash-*.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cmakeBuild } from './run/cmake.mjs'
import { show } from './run/show.mjs'
import { Tally } from './run/tally.mjs'
import { capture, jobs } from './setup/command.mjs'
import { buildDir, root } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

const MEMORY_LIMIT_MB = 2048
const INPUT_TIMEOUT_S = 10
const PREFIX = 'laneway_fuzz_'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, only: { type: 'string', multiple: true, default: [] } },
})

if (capture('clang++', ['--version']) === null) {
  process.stderr.write('fuzzing needs Clang (Debian, Ubuntu: apt-get install clang libclang-rt-dev)\n')
  process.exit(1)
}
await setUpOrExit()
const options = {
  CMAKE_C_COMPILER: 'clang',
  CMAKE_CXX_COMPILER: 'clang++',
  LANEWAY_FUZZ: 'ON',
  LANEWAY_SANITIZE: 'address,undefined',
}
const binDir = await cmakeBuild('fuzz', options, 'laneway_fuzz')
const targets = (existsSync(binDir) ? readdirSync(binDir) : [])
  .filter((program) => program.startsWith(PREFIX))
  .map((program) => program.slice(PREFIX.length))
  .filter((name) => values.only.length === 0 || values.only.includes(name))

const tally = new Tally()
const waiting = [...targets]
await tally.add(`fuzzing for ${values.seconds} s each: ${targets.join(', ')}`, async () => {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  const worker = async () => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const isGood = await fuzz(name)
      if (isGood) sum.passed += 1
      else sum.failed += 1
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  return sum
})
tally.close()

/**
 * @param {string} name
 * @returns {Promise<boolean>}
 */
async function fuzz(name) {
  const grown = join(buildDir, 'fuzz', 'corpus', name)
  mkdirSync(grown, { recursive: true })
  const kept = join(root, 'native', 'test', 'fuzz', 'corpus', name)
  const corpus = existsSync(kept) ? [grown, kept] : [grown]
  const { status, output } = await show(
    join(binDir, PREFIX + name),
    [
      `-max_total_time=${values.seconds}`,
      `-timeout=${INPUT_TIMEOUT_S}`,
      `-rss_limit_mb=${MEMORY_LIMIT_MB}`,
      `-artifact_prefix=${join(buildDir, 'fuzz')}/`,
      '-print_final_stats=1',
      ...corpus,
    ],
    { quiet: true, env: { UBSAN_OPTIONS: 'print_stacktrace=1' } },
  )
  const executions = output.match(/number_of_executed_units:\s*(\d+)/)?.[1]
  process.stdout.write(status === 0 ? `${name}: ${executions} inputs, no failure\n` : `${name}:\n${output}\n`)
  return status === 0
}
