/**
 * Static checks of everything that is checked in; each counts as one in the closing line.
 *
 *   npm run check                    all
 *   npm run check -- --only types    types | biome | clang-format | clang-tidy | go
 *   npm run lint                     all but types
 *   npm run format                   writes what biome and clang-format would change
 *
 * clang-format and clang-tidy are version 14 or newer, from the system.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkGo } from './run/go.mjs'
import { inParallel } from './run/in-parallel.mjs'
import { show } from './run/show.mjs'
import { asOne, Tally } from './run/tally.mjs'
import { capture, jobs } from './setup/command.mjs'
import { buildDir, nodeModules, root } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

/** @typedef {import('./run/tally.mjs').Count} Count */

/** @type {Record<string, { check: () => Promise<boolean>, fix?: () => Promise<boolean> }>} */
const checks = {
  types: { check: () => succeeds(process.execPath, [inModules('typescript', 'bin', 'tsc'), '--build']) },
  biome: {
    check: () => succeeds(process.execPath, [biome, 'check', '--error-on-warnings']),
    fix: () => succeeds(process.execPath, [biome, 'check', '--write']),
  },
  'clang-format': {
    check: () => clangTool('clang-format', ['--dry-run', '-Werror', ...nativeFiles(/\.(cc|c|h)$/)]),
    fix: () => clangTool('clang-format', ['-i', ...nativeFiles(/\.(cc|c|h)$/)]),
  },
  'clang-tidy': { check: clangTidy },
  go: { check: checkGo },
}
const biome = inModules('@biomejs', 'biome', 'bin', 'biome')

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: Object.keys(checks) },
    fix: { type: 'boolean', default: false },
  },
})

await setUpOrExit({ tests: true })
const tally = new Tally()
for (const name of values.only) {
  const chosen = checks[name]
  if (!chosen) throw new Error(`no such check: ${name} (there are: ${Object.keys(checks).join(', ')})`)
  const work = values.fix ? chosen.fix : chosen.check
  if (work) await tally.add(name, async () => asOne(await work()))
}
tally.close()

/** @param {string[]} parts */
function inModules(...parts) {
  return join(nodeModules, ...parts)
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @returns {Promise<boolean>}
 */
async function succeeds(program, args) {
  return (await show(program, args)).status === 0
}

/**
 * @param {RegExp} wanted
 * @returns {string[]}
 */
function nativeFiles(wanted) {
  return ['native', 'bench/c-loop', 'bench/micro/native'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => wanted.test(path))
      .map((path) => join(folder, path)),
  )
}

/**
 * @param {string} tool
 * @param {readonly string[]} args
 * @returns {Promise<boolean>}
 */
async function clangTool(tool, args) {
  return isInstalled(tool) && (await succeeds(tool, args))
}

/** @param {string} tool */
function isInstalled(tool) {
  if (capture(tool, ['--version']) !== null) return true
  process.stdout.write(`${tool} is not installed (Debian, Ubuntu: apt-get install ${tool})\n`)
  return false
}

/**
 * Every compiled C++ file but the tests (GoogleTest's macros are most of the time and most of what is found there), as
 * many at a time as there are cores; only what it finds is shown.
 */
async function clangTidy() {
  if (!isInstalled('clang-tidy')) return false
  /** @type {{ file: string }[]} */
  const commands = JSON.parse(readFileSync(join(buildDir, 'compile_commands.json'), 'utf8'))
  const files = commands.map(({ file }) => file).filter((file) => /\/native\/(?!test\/).*\.cc$/.test(file))
  // The commands are those of the compiler that builds; where that is GCC, Clang does not know all of its options.
  const options = ['-p', buildDir, '--quiet', '--extra-arg=-Wno-unknown-warning-option']
  const clean = await inParallel(files, jobs, async (file) => {
    const { status, output } = await show('clang-tidy', [...options, file], { quiet: true })
    if (status !== 0) process.stdout.write(output)
    return status === 0
  })
  return clean.length > 0 && clean.every((isClean) => isClean)
}
