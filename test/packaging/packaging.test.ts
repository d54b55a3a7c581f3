/**
 * What a user gets: both packages, packed as they are published, installed by npm into an empty folder on a machine
 * without a compiler, and run, on every supported Node.
 */
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../broker/package-root.js'
import { type Finished, runToEnd } from '../broker/run-to-end.js'
import { nodeFolder, SUPPORTED_MAJORS } from './node-releases.js'

const DEADLINE_MS = 3 * 60_000

interface Packed {
  readonly name: string
  readonly version: string
  readonly file: string
}

interface Setting {
  packed: readonly Packed[]
  npm: string
  /** Folders to remove at the end. */
  folders: string[]
}

const test = suite<Setting>('packaging', { packed: [], npm: '', folders: [] })

test.before(async (setting) => {
  const pack = await runToEnd(process.execPath, [sourceFile('scripts/pack.mjs')], { deadlineMs: DEADLINE_MS })
  if (pack.status !== 0) throw new Error(`packing failed:\n${pack.output}`)
  setting.packed = parsePacked(pack.output)
  setting.npm = await findNpm()
})

test.after(async ({ folders }) => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

/** The JSON document that the script writes; its progress may follow it. */
function parsePacked(output: string): readonly Packed[] {
  const list: unknown = JSON.parse(output.slice(output.indexOf('['), output.lastIndexOf(']') + 1))
  if (!Array.isArray(list)) throw new Error(`not a list of packages: ${output}`)
  return list.map(({ name, version, file }: Record<string, unknown>) => ({
    name: String(name),
    version: String(version),
    file: String(file),
  }))
}

/** npm's own script, so that any Node can run it. */
async function findNpm(): Promise<string> {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'npm'))
  for (const candidate of candidates.filter((path) => existsSync(path))) {
    const script = await realpath(candidate)
    if (script.endsWith('npm-cli.js')) return script
  }
  const { npm_execpath: running } = process.env
  if (running) return running
  throw new Error('npm-cli.js was not found on the PATH')
}

async function emptyFolder(setting: Setting): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-packaging-'))
  setting.folders.push(folder)
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  return folder
}

/** Runs a program of a folder with no PATH but that of one Node. */
async function runWith(major: number, folder: string, args: readonly string[]): Promise<Finished> {
  const path = await nodeFolder(major)
  const { HOME, TMPDIR } = process.env
  // Registry, proxy and certificates as they are set up here; anything that would find a compiler stays out.
  const npmSettings = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_|https?_proxy|NODE_EXTRA_CA)/i.test(name),
  )
  const env = { ...Object.fromEntries(npmSettings), HOME, TMPDIR, PATH: path }
  return runToEnd(join(path, 'node'), args, { cwd: folder, env, deadlineMs: DEADLINE_MS })
}

for (const major of SUPPORTED_MAJORS) {
  test(`on Node ${major}, both packages install without a compiler and run`, async (setting) => {
    const folder = await emptyFolder(setting)
    const files = setting.packed.map(({ file }) => file)
    const install = await runWith(major, folder, [setting.npm, 'install', '--no-audit', '--no-fund', ...files])
    assert.is(install.status, 0, install.output)

    const command = join(folder, 'node_modules', '.bin', 'laneway')
    const version = await runWith(major, folder, [await realpath(command), '--version'])
    assert.is(version.status, 0, version.output)
    assert.match(version.output, setting.packed[0]?.version ?? 'a version')
    for (const feature of ['ssl', 'sasl_scram', 'gzip', 'zstd', 'lz4']) assert.match(version.output, feature)

    const script = "import { ParallelConsumer } from 'laneway'; console.log(typeof ParallelConsumer)"
    const imported = await runWith(major, folder, ['--input-type=module', '--eval', script])
    assert.is(imported.output, 'function\n')
  })
}

test('what is packed has no install script, no source of the build and no development dependency', async (setting) => {
  for (const { name } of setting.packed) {
    const folder = sourceFile(join('build', 'packages', 'stage', name.replace('@laneway/', '')))
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    assert.ok(typeof manifest === 'object' && manifest !== null)
    assert.not('scripts' in manifest, `${name} has scripts`)
    assert.not('devDependencies' in manifest, `${name} has development dependencies`)
    assert.not(readdirSync(folder).includes('binding.gyp'), `npm would run node-gyp for ${name}`)
  }
})

test('without the platform package the import fails and says what is missing', async (setting) => {
  const folder = await emptyFolder(setting)
  const [laneway] = setting.packed
  assert.ok(laneway)
  const args = [setting.npm, 'install', '--omit=optional', '--no-audit', '--no-fund', laneway.file]
  const install = await runWith(SUPPORTED_MAJORS[0], folder, args)
  assert.is(install.status, 0, install.output)
  const imported = await runWith(SUPPORTED_MAJORS[0], folder, ['--input-type=module', '--eval', "import 'laneway'"])
  assert.is(imported.status, 1)
  assert.match(imported.output, setting.packed[1]?.name ?? 'the platform package')
})

test('the published types compile in a strict project', async (setting) => {
  const folder = await emptyFolder(setting)
  const files = setting.packed.map(({ file }) => file)
  const npm = ['install', '--no-audit', '--no-fund', ...files]
  const install = await runWith(SUPPORTED_MAJORS[0], folder, [setting.npm, ...npm])
  assert.is(install.status, 0, install.output)
  await writeFile(
    join(folder, 'user.ts'),
    "export { ParallelConsumer } from 'laneway'\nexport * from 'laneway/testing'\n",
  )
  const typeRoots = join(sourceFile('node_modules/@types/node/package.json'), '..', '..')
  const strict = [
    '--strict',
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023,esnext.disposable',
  ]
  const tsc = sourceFile('node_modules/typescript/bin/tsc')
  const compiled = await runToEnd(
    process.execPath,
    [tsc, ...strict, '--typeRoots', typeRoots, '--types', 'node', '--skipLibCheck', 'false', 'user.ts'],
    { cwd: folder, deadlineMs: DEADLINE_MS },
  )
  assert.is(compiled.status, 0, compiled.output)
})

test.run()
