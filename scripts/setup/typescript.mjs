/**
 * Compiles ts/ into dist/, and test/, bench/ and chaos/ into build/js. Tests import what they test as they see it in the
 * sources ('../../ts/errors.js'): build/js/ts is a link to dist, so that there is one compiled copy of every module.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from './command.mjs'
import { buildDir, distDir, nodeModules, root } from './paths.mjs'
import { step } from './progress.mjs'
import { digestOfPaths, Stamp } from './stamp.mjs'
import { copyWorkerContract, generateWorkerContract } from './worker-contract.mjs'

const COMPILED = /\.(js|d\.ts)(\.map)?$/
const CONFIGURATION = ['tsconfig.json', 'tsconfig.base.json', 'package.json', 'package-lock.json']
const jsDir = join(buildDir, 'js')
/** Compiled by the project of test/. */
const TEST_FOLDERS = ['test', 'bench', 'chaos']

/** @param {{ tests: boolean }} options */
export async function buildTypeScript({ tests }) {
  await generateWorkerContract()
  const folders = tests ? ['ts', ...TEST_FOLDERS] : ['ts']
  const stamp = new Stamp(tests ? 'typescript-with-tests' : 'typescript')
  const isSource = (/** @type {string} */ path) => /\.(ts|json)$/.test(path)
  const inputs = digestOfPaths(
    [...CONFIGURATION, ...folders].map((path) => join(root, path)),
    isSource,
  )
  if (stamp.read() === inputs && existsSync(distDir)) return
  await step(`compiling the TypeScript${tests ? ' and its tests' : ''}`, async () => {
    stamp.clear()
    removeOrphans(distDir, join(root, 'ts'))
    if (tests) for (const folder of TEST_FOLDERS) removeOrphans(join(jsDir, folder), join(root, folder))
    await compile(tests ? ['ts', 'test'] : ['ts'])
    copyWorkerContract()
    if (tests) linkCompiledSources()
    stamp.write(inputs)
  })
}

/** @param {readonly string[]} projects */
async function compile(projects) {
  // The incremental state must not outlive its output: tsc would believe that nothing is left to write.
  if (!existsSync(distDir)) rmSync(join(buildDir, 'tsbuildinfo', 'ts.tsbuildinfo'), { force: true })
  if (!existsSync(jsDir)) rmSync(join(buildDir, 'tsbuildinfo', 'test.tsbuildinfo'), { force: true })
  const tsc = join(nodeModules, 'typescript', 'bin', 'tsc')
  await run('tsc', process.execPath, [tsc, '--build', ...projects.map((project) => join(root, project))])
  const command = join(distDir, 'cli', 'main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
}

/** What was compiled from a source that is gone would still be run, or packed. */
function removeOrphans(/** @type {string} */ outDir, /** @type {string} */ sourceDir) {
  if (!existsSync(outDir)) return
  for (const entry of readdirSync(outDir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    if (!entry.isFile() || !COMPILED.test(entry.name)) continue
    const source = join(sourceDir, relative(outDir, path).replace(COMPILED, '.ts'))
    if (!existsSync(source)) rmSync(path)
  }
}

function linkCompiledSources() {
  const link = join(jsDir, 'ts')
  const target = relative(jsDir, distDir)
  mkdirSync(jsDir, { recursive: true })
  try {
    if (readlinkSync(link) === target) return
  } catch {
    // Absent, or not a link.
  }
  rmSync(link, { recursive: true, force: true })
  symlinkSync(target, link)
}
