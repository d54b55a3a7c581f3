/**
 * `npm test`: sets up, then runs every test there is; its last line is the sum of what the runners report.
 *
 *   npm test -- --only native        C++ unit tests and the simulation
 *   npm test -- --only ts            TypeScript without a broker
 *   npm test -- --only go            workers in Go, where there is Go
 *   npm test -- --only contract      the engine contract suite, against every engine
 *   npm test -- --only integration   on a real broker, where Java and Maven are present
 *   npm test -- --only limits        memory, network, event loop and clean-up at scale (not in a plain `npm test`: minutes)
 *   npm test -- --only bench         the peers of the benchmarks, each consuming from a real broker (not in a plain `npm
 *                                    test`: it installs them)
 *   npm test -- --only packaging     npm pack, install without a compiler, run on each supported Node; pip install of the
 *                                    Python SDK (not in a plain `npm test`: it fetches three versions of Node)
 *   npm test -- --seeds 100000       more of the simulation
 *   npm test -- --jobs 1             one test file at a time, with all that it prints (by default 3 at once, since most of them
 *                                    wait for brokers and processes; then a file's output is shown if something in it failed)
 *   npm test -- retry                only test files whose path contains this
 *
 * Beside others a test may find the machine busier than its deadlines allow for. So a file in which tests fail runs once
 * more, alone, and that counts; the end of the output names it. What crashes or hangs fails at once.
 */
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { CPP_TEST_PROGRAMS, runGoogleTest, runSimulation } from './run/cpp-tests.mjs'
import { runGoTests } from './run/go.mjs'
import { inParallel } from './run/in-parallel.mjs'
import { Tally } from './run/tally.mjs'
import { findTestFiles, runUvuFile } from './run/uvu-tests.mjs'
import { buildDir } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

const PARTS = ['native', 'go', 'ts', 'contract', 'integration', 'limits', 'bench', 'packaging']
const DEFAULT_PARTS = ['native', 'go', 'ts', 'contract', 'integration']
const DEADLINE_MS = {
  ts: 4 * 60_000,
  contract: 10 * 60_000,
  integration: 10 * 60_000,
  limits: 4 * 60_000,
  bench: 15 * 60_000,
  packaging: 10 * 60_000,
}

/** Their figures are of the whole machine, which they do not share. */
const ALONE = ['limits', 'packaging']

/** What fails beside others is not counted yet: it runs again. */
const NOTHING = { passed: 0, failed: 0, skipped: 0 }

const compiledDir = join(buildDir, 'js')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true, default: DEFAULT_PARTS },
    seeds: { type: 'string', default: '10000' },
    jobs: { type: 'string', default: '3' },
  },
})
const unknown = values.only.filter((part) => !PARTS.includes(part))
if (unknown.length > 0) {
  process.stderr.write(`no such part: ${unknown.join(', ')} (there are: ${PARTS.join(', ')})\n`)
  process.exit(2)
}

if (!/^[1-9]\d?$/.test(values.jobs)) {
  process.stderr.write(`--jobs takes a whole number from 1 to 99, not ${values.jobs}\n`)
  process.exit(2)
}
const jobs = values.only.some((part) => ALONE.includes(part)) ? 1 : Number(values.jobs)

/**
 * The part that a test file belongs to: by its folder.
 * @param {string} file
 * @returns {'ts' | 'contract' | 'integration' | 'limits' | 'bench' | 'packaging'}
 */
function partOf(file) {
  const path = relative(compiledDir, file)
  if (/^test\/(integration|broker)\//.test(path)) return 'integration'
  if (/^test\/contract(-flaws)?\//.test(path)) return 'contract'
  if (path.startsWith('test/limits/')) return 'limits'
  if (/^bench\/peers\/[^/]+$/.test(path)) return 'bench'
  return path.startsWith('test/packaging/') ? 'packaging' : 'ts'
}

await setUpOrExit({ tests: true })
const tally = new Tally()

if (values.only.includes('native') && positionals.length === 0) {
  const binDir = join(buildDir, 'bin')
  for (const program of CPP_TEST_PROGRAMS) {
    if (existsSync(join(binDir, program))) await tally.add(program, () => runGoogleTest(binDir, program))
  }
  if (existsSync(join(binDir, 'laneway_simulate'))) {
    const title = `simulation, ${values.seeds} seeds`
    await tally.add(title, () => runSimulation(binDir, Number(values.seeds)))
  }
}

if (values.only.includes('go') && positionals.length === 0) await tally.add('workers in Go', runGoTests)

const files = ['test', 'bench', 'chaos']
  .flatMap((folder) => findTestFiles(join(compiledDir, folder)))
  .filter((file) => values.only.includes(partOf(file)))
  .filter((file) => positionals.length === 0 || positionals.some((wanted) => file.includes(wanted)))
/** @type {string[]} */
const failedBesideOthers = []
await inParallel(files, jobs, async (file) => {
  const besideOthers = jobs > 1
  await tally.add(relative(compiledDir, file), async () => {
    const count = await run(file, besideOthers)
    if (!besideOthers || count.failed === 0 || !count.ended) return count
    failedBesideOthers.push(file)
    return NOTHING
  })
})
for (const file of failedBesideOthers) {
  const title = `${relative(compiledDir, file)}, again, alone`
  await tally.add(title, async () => {
    const count = await run(file, false)
    if (count.failed === 0) tally.remark(`FLAKY: ${relative(compiledDir, file)} failed beside others, and passed alone`)
    return count
  })
}
tally.close()

/**
 * @param {string} file
 * @param {boolean} besideOthers
 */
function run(file, besideOthers) {
  return runUvuFile(file, { base: compiledDir, deadlineMs: DEADLINE_MS[partOf(file)], besideOthers })
}
