/**
 * Checks the model of a partition (proof/model/*.als, docs/model.md) with Alloy: that the promises hold, that each
 * rule is needed (without it there is a counter-example), and that the model can do what it is about.
 *
 *   npm run model [-- --only NAME] [--solver minisat]
 *
 *   --only     commands whose name contains this; may be given more than once
 *   --solver   minisat (default; comes with Alloy for the usual platforms), glucose, or sat4j, which is slower and runs
 *              wherever Java does
 *   --help     this text
 *
 * What a command must end with stands in its file (`expect 0`: nothing found, `expect 1`: found); one that does not
 * say so fails. Needs Java 17 and, the first time, Maven; no build. Traces that are found go to build/model.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { alloyJar, javaProgram } from './run/alloy-jar.mjs'
import { inParallel } from './run/in-parallel.mjs'
import { show } from './run/show.mjs'
import { Tally } from './run/tally.mjs'
import { jobs } from './setup/command.mjs'
import { buildDir, root } from './setup/paths.mjs'
import { orExplain } from './setup/progress.mjs'

/**
 * @typedef {object} Command
 * @property {string} file
 * @property {'check' | 'run'} kind
 * @property {string} name
 * @property {string} scope
 * @property {boolean | null} expected whether an instance (of a check: a counter-example) must be found; null: not said
 */

const DEADLINE_MS = 10 * 60_000
/** Most commands end before Java's optimising compiler is worth its time; the long ones are spent in the solver. */
const JAVA_OPTIONS = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const folder = join(root, 'proof', 'model')
const tracesDir = join(buildDir, 'model')

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [''] },
    solver: { type: 'string', default: 'minisat' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  const comment = readFileSync(import.meta.filename, 'utf8').split('*/')[0] ?? ''
  process.stdout.write(comment.replace(/^\/\*\*\n/, '').replace(/^ \* ?/gm, ''))
  process.exit(0)
}

const jar = await orExplain(alloyJar)
rmSync(tracesDir, { recursive: true, force: true })
const files = readdirSync(folder).filter((file) => file.endsWith('.als'))
const listed = (await Promise.all(files.map(commandsOf))).flat()
const wanted = listed.filter(({ name }) => values.only.some((part) => name.includes(part)))

const tally = new Tally()
await tally.add(`${wanted.length} commands of the model, ${jobs} at a time`, async () => {
  const passed = (await inParallel(wanted, jobs, solve)).filter((isGood) => isGood).length
  return { passed, failed: wanted.length - passed, skipped: 0 }
})
tally.close()

/**
 * What a file has, as Alloy itself reads it.
 * @param {string} file
 * @returns {Promise<Command[]>}
 */
async function commandsOf(file) {
  const { status, output } = await alloy(['commands', join(folder, file)])
  if (status !== 0) throw new Error(`Alloy cannot read ${file}:\n${output}`)
  const lines = output.split('\n').filter((line) => /^\d+ *\./.test(line) && !line.endsWith('Run Default'))
  return lines.map((line) => {
    const [, kind, name, scope, expected] = line.match(/^\d+ *\. (Check|Run) (\S+) for (.+?)(?: expect ([01]))?$/) ?? []
    if (!name || !scope) throw new Error(`Alloy lists a command of ${file} in an unknown way: ${line}`)
    const must = expected === undefined ? null : expected === '1'
    return { file, kind: kind === 'Check' ? 'check' : 'run', name, scope, expected: must }
  })
}

/**
 * Runs one command and prints what came out of it.
 * @param {Command} command
 * @returns {Promise<boolean>} whether it ended as its file says
 */
async function solve({ file, kind, name, scope, expected }) {
  const startedAt = performance.now()
  const options = ['--solver', values.solver, '--command', name, '--type', 'text', '--output', join(tracesDir, name)]
  const { output } = await alloy(['exec', '--force', ...options, join(folder, file)])
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const verdict = output.match(/^\d+\. (?:check|run) .*\s(SAT|UNSAT)(?:\s|$)/m)?.[1]
  const isFound = verdict === undefined ? null : verdict === 'SAT'
  const isGood = isFound !== null && isFound === expected
  const outcome = `expected: ${inWords(kind, expected)}; ${isGood ? 'so it is' : `NOT SO: ${inWords(kind, isFound)}`}`
  process.stdout.write(`${isGood ? 'ok  ' : 'FAIL'} ${kind} ${name}: ${outcome} (${seconds} s)\n     for ${scope}\n`)
  if (isFound === null) process.stdout.write(`${output}\n`)
  return isGood
}

/**
 * @param {'check' | 'run'} kind
 * @param {boolean | null} isFound
 */
function inWords(kind, isFound) {
  if (isFound === null) return 'nothing said'
  if (kind === 'run') return isFound ? 'a trace' : 'no trace'
  return isFound ? 'a counter-example' : 'holds'
}

/** @param {readonly string[]} args */
function alloy(args) {
  return show(javaProgram(), [...JAVA_OPTIONS, '-jar', jar, ...args], { quiet: true, deadlineMs: DEADLINE_MS })
}
