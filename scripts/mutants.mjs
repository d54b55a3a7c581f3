/**
 * Proves that the simulation's oracles can fail: each file of native/test/simulation/mutants/ plants one fault in
 * native/core, and the simulation must find that the promise is broken which the file names.
 *
 *   npm run mutants -- [--only NAME] [--seeds 20000] [--jobs N]
 *
 * A fault that survives so many seeds, that breaks another promise only, or that no longer applies is a failure; so is
 * one that crashes or hangs without a word from the simulation. Each mutant is a copy of native/ under build/mutants/;
 * only what includes its changed file is compiled again. The unchanged core runs first and must pass.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { inParallel } from './run/in-parallel.mjs'
import { show } from './run/show.mjs'
import { asOne, Tally } from './run/tally.mjs'
import { jobs } from './setup/command.mjs'
import { buildDir, root } from './setup/paths.mjs'

const USAGE = `usage: npm run mutants -- [--only NAME]... [--seeds N] [--jobs N]

Plants each fault of native/test/simulation/mutants/ in the core, and runs the simulation until it reports it.

  --only NAME  this mutant only (its file's name without .mutant); may be given again
  --seeds N    seeds that a mutant may survive (20000)
  --jobs N     compilers and simulations at a time (one per core)
`
const COMPILER = process.env['CXX'] || 'c++'
// Assertions stay out: the oracles are to find the fault, not the core.
const FLAGS = ['-std=c++20', '-O1', '-DNDEBUG', '-pthread']
const DEADLINE_MS = 240_000
// A fault often shows as something else first; so many failing seeds have time to show what it is.
const MOST_FAILURES = 50
const DIVIDER = /^---- (original|mutated)$/m

const mutantsDir = join(root, 'native', 'test', 'simulation', 'mutants')
const workDir = join(buildDir, 'mutants')

/**
 * @typedef {object} Mutant
 * @property {string} name
 * @property {string} fault what is wrong, in words
 * @property {string} file that it changes
 * @property {string} promise that the simulation must find broken
 * @property {{ original: string, mutated: string }[]} changes
 */

/**
 * @typedef {object} Verdict
 * @property {boolean} isCaught
 * @property {string} what
 * @property {number} [seeds] run until it was caught
 * @property {number} seconds
 */

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    seeds: { type: 'string', default: '20000' },
    jobs: { type: 'string', default: String(jobs) },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const atOnce = Number(values.jobs)
const mutants = readMutants().filter(({ name }) => values.only.length === 0 || values.only.includes(name))
const unknown = values.only.filter((name) => !mutants.some((mutant) => mutant.name === name))
if (unknown.length > 0) {
  process.stderr.write(`no such mutant: ${unknown.join(', ')}\n`)
  process.exit(2)
}

const sources = readFileSync(join(root, 'native', 'sources.txt'), 'utf8')
  .split('\n')
  .filter((line) => /^native\/core\/.*\.cc$/.test(line))
  .concat(readdirSync(join(root, 'native/test/simulation')).map((name) => `native/test/simulation/${name}`))
  .filter((file) => file.endsWith('.cc'))

const tally = new Tally()
await tally.add('the unchanged core', async () => {
  const failure = await buildUnchanged()
  if (failure) process.stdout.write(failure)
  if (failure) return asOne(false)
  const { status, output } = await simulate(join(workDir, 'simulate'))
  if (status !== 0) process.stdout.write(output)
  return asOne(status === 0)
})
await tally.add(`${mutants.length} mutants`, async () => {
  const width = Math.max(...mutants.map(({ name }) => name.length))
  const verdicts = await inParallel(mutants, atOnce, async (mutant) => {
    const verdict = await judge(mutant)
    const seeds = verdict.seeds === undefined ? '' : `${verdict.seeds} seeds`
    process.stdout.write(
      `${verdict.isCaught ? 'caught  ' : 'SURVIVED'} ${mutant.name.padEnd(width)} ${mutant.promise}  ` +
        `${seeds.padStart(11)} ${verdict.seconds.toFixed(1).padStart(5)} s  ${verdict.what}\n`,
    )
    return verdict
  })
  const caught = verdicts.filter(({ isCaught }) => isCaught).length
  return { passed: caught, failed: verdicts.length - caught, skipped: 0 }
})
tally.close()

/** @returns {Mutant[]} */
function readMutants() {
  const files = readdirSync(mutantsDir).filter((name) => name.endsWith('.mutant'))
  return files.sort().map((name) => readMutant(join(mutantsDir, name)))
}

/**
 * The fault in words, `file:`, `breaks:`, then pairs of what stands there and what the mutant has instead.
 * @param {string} path
 * @returns {Mutant}
 */
function readMutant(path) {
  const [head = '', ...parts] = readFileSync(path, 'utf8').split(DIVIDER)
  const field = (/** @type {string} */ name) => head.match(new RegExp(`^${name}: (.+)$`, 'm'))?.[1] ?? ''
  const changes = []
  for (let i = 0; i + 3 < parts.length; i += 4) {
    if (parts[i] !== 'original' || parts[i + 2] !== 'mutated') throw new Error(`${path}: not original, then mutated`)
    changes.push({ original: trimLines(parts[i + 1]), mutated: trimLines(parts[i + 3]) })
  }
  const mutant = {
    name: basename(path, '.mutant'),
    fault: head.split(/^\w+: /m)[0]?.trim() ?? '',
    file: field('file'),
    promise: field('breaks'),
    changes,
  }
  if (!mutant.fault || !mutant.file || !mutant.promise || changes.length === 0) {
    throw new Error(`${path}: needs a fault in words, file:, breaks: and what changes`)
  }
  return mutant
}

/** @param {string | undefined} text */
function trimLines(text = '') {
  return text.replace(/^\n/, '').replace(/\n+$/, '')
}

/**
 * @param {Mutant} mutant
 * @returns {Promise<Verdict>}
 */
async function judge(mutant) {
  const startedAt = performance.now()
  const verdict = await tryMutant(mutant)
  return { ...verdict, seconds: (performance.now() - startedAt) / 1000 }
}

/**
 * @param {Mutant} mutant
 * @returns {Promise<Omit<Verdict, 'seconds'>>}
 */
async function tryMutant(mutant) {
  const folder = join(workDir, mutant.name)
  rmSync(folder, { recursive: true, force: true })
  cpSync(join(root, 'native'), join(folder, 'native'), { recursive: true })
  const path = join(folder, mutant.file)
  let text = readFileSync(path, 'utf8')
  for (const { original, mutated } of mutant.changes) {
    const places = text.split(original).length - 1
    if (places !== 1) return { isCaught: false, what: `does not apply: ${places} places in ${mutant.file}` }
    text = text.replace(original, () => mutated)
  }
  writeFileSync(path, text)
  const failure = await build(folder, (source) => dependsOn(source, mutant.file))
  if (failure) return { isCaught: false, what: `does not compile:\n${failure}` }
  const { status, output } = await simulate(join(folder, 'simulate'))
  rmSync(folder, { recursive: true, force: true })
  return readVerdict(mutant, status, output)
}

/**
 * @param {Mutant} mutant
 * @param {number} status
 * @param {string} output of the simulation
 * @returns {Omit<Verdict, 'seconds'>}
 */
function readVerdict(mutant, status, output) {
  const reports = [...output.matchAll(/^seed (\d+): ((\w+): .*)$/gm)]
  const report = reports.find(([, , , promise]) => promise === mutant.promise)
  if (report) return { isCaught: true, what: report[2] ?? '', seeds: Number(report[1]) }
  const others = reports
    .slice(0, 3)
    .map(([, , what]) => what)
    .join('; ')
  return { isCaught: false, what: others ? `seen only as ${others}` : `no report, status ${status}` }
}

/** @param {string} program */
function simulate(program) {
  const args = ['--seeds', values.seeds, '--threads', '1', '--failures', String(MOST_FAILURES)]
  return show(program, args, { quiet: true, deadlineMs: DEADLINE_MS })
}

/**
 * Builds what is out of date of the unchanged core and the simulation.
 * @returns {Promise<string | null>} what the compiler said where it fails
 */
async function buildUnchanged() {
  return build(root, (source) => isOutOfDate(source), join(workDir, 'simulate'))
}

/**
 * @param {string} folder that holds native/
 * @param {(source: string) => boolean} mustCompile the other objects are those of the unchanged core
 * @param {string} program
 * @returns {Promise<string | null>} what the compiler said where it fails
 */
async function build(folder, mustCompile, program = join(folder, 'simulate')) {
  const isMutant = folder !== root
  const objects = await inParallel(sources, atOnce, async (source) => {
    const shared = objectOf(source, workDir)
    if (!mustCompile(source)) return { object: shared, failure: null }
    const object = isMutant ? objectOf(source, folder) : shared
    mkdirSync(dirname(object), { recursive: true })
    const args = [...FLAGS, '-MMD', `-I${join(folder, 'native')}`, '-c', join(folder, source), '-o', object]
    const { status, output } = await show(COMPILER, args, { quiet: true })
    return { object, failure: status === 0 ? null : output }
  })
  const failures = objects.flatMap(({ failure }) => failure ?? [])
  if (failures.length > 0) return failures.join('\n')
  const args = [...FLAGS, ...objects.map(({ object }) => object), '-o', program]
  const { status, output } = await show(COMPILER, args, { quiet: true })
  return status === 0 ? null : output
}

/**
 * @param {string} source
 * @param {string} folder
 */
function objectOf(source, folder) {
  return join(folder, 'objects', source.replaceAll('/', '-').replace(/\.cc$/, '.o'))
}

/**
 * The files that a source was last compiled from, as the compiler wrote them down.
 * @param {string} source
 * @returns {string[]}
 */
function compiledFrom(source) {
  const rule = readFileSync(objectOf(source, workDir).replace(/\.o$/, '.d'), 'utf8')
  return rule
    .replace(/^[^:]*:/, '')
    .replaceAll('\\\n', ' ')
    .split(/\s+/)
    .filter(Boolean)
}

/** @param {string} source */
function isOutOfDate(source) {
  try {
    const builtAt = statSync(objectOf(source, workDir)).mtimeMs
    return compiledFrom(source).some((file) => statSync(file).mtimeMs > builtAt)
  } catch {
    return true
  }
}

/**
 * @param {string} source
 * @param {string} file
 */
function dependsOn(source, file) {
  return compiledFrom(source).includes(join(root, file))
}
