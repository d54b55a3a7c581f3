/** The Go modules of this repository: their tests, and what is checked without running them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture } from '../setup/command.mjs'
import { nodeModules, root } from '../setup/paths.mjs'
import { show } from './show.mjs'

/** @typedef {import('./tally.mjs').Count} Count */

const SDK = join(root, 'workers', 'go')
const MODULES = [SDK, join(root, 'examples', 'recommender', 'go')]
const CONTRACT = join('internal', 'workerpb')

/** Says so where there is no Go that can build the SDK; one that is too old may fetch the version that it needs. */
function hasGo() {
  if (capture('go', ['-C', SDK, 'version']) !== null) return true
  const wanted = /^go (?<version>\S+)$/m.exec(readFileSync(join(SDK, 'go.mod'), 'utf8'))?.groups?.['version']
  process.stdout.write(`no Go ${wanted} or newer is installed (https://go.dev/dl)\n`)
  return false
}

/**
 * The tests of the SDK, with the race detector. Each test and subtest counts; without Go they are skipped, but not in CI.
 * @returns {Promise<Count>}
 */
export async function runGoTests() {
  if (!hasGo()) {
    const isNeeded = process.env['CI'] !== undefined
    return { passed: 0, failed: isNeeded ? 1 : 0, skipped: isNeeded ? 0 : 1 }
  }
  const { status, output } = await show('go', ['-C', SDK, 'test', '-race', '-v', './...'], { quiet: true })
  const count = (/** @type {RegExp} */ ended) => output.match(ended)?.length ?? 0
  const passed = count(/^\s*--- PASS: /gm)
  const failed = count(/^\s*--- FAIL: /gm)
  if (status !== 0) process.stdout.write(output)
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped: count(/^\s*--- SKIP: /gm) }
}

/** gofmt, go vet, and the code that is generated and checked in. */
export async function checkGo() {
  if (!hasGo()) return false
  const unformatted = capture('gofmt', ['-l', ...MODULES]) ?? 'gofmt failed'
  if (unformatted.trim() !== '') process.stdout.write(`not formatted by gofmt:\n${unformatted}`)
  let isClean = unformatted.trim() === ''
  for (const folder of MODULES) {
    const { status } = await show('go', ['-C', folder, 'vet', './...'])
    isClean &&= status === 0
  }
  return (await isGeneratedCodeUpToDate()) && isClean
}

/** Generates it anew, elsewhere, and compares. */
async function isGeneratedCodeUpToDate() {
  const folder = mkdtempSync(join(tmpdir(), 'laneway-go-'))
  try {
    const buf = join(nodeModules, '@bufbuild', 'buf', 'bin', 'buf')
    const args = ['generate', '--template', join(SDK, 'buf.gen.yaml'), '--output', folder, join(root, 'proto')]
    // The plugins are tools of the SDK's module, which go finds from the working directory.
    const { status } = await show(process.execPath, [buf, ...args], { cwd: SDK })
    if (status !== 0) return false
    const stale = readdirSync(join(folder, CONTRACT)).filter(
      (file) => readFileSync(join(folder, CONTRACT, file), 'utf8') !== readFileSync(join(SDK, CONTRACT, file), 'utf8'),
    )
    if (stale.length > 0) process.stdout.write(`not what the contract gives: ${stale.join(', ')} (go generate ./...)\n`)
    return stale.length === 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
