/**
 * Writes the two packages that are published: `laneway` (JavaScript and types) and the prebuilt addon for this machine's
 * platform, `@laneway/<platform>-<arch>[-<libc>]`, which npm picks by its os / cpu / libc fields. Neither has an
 * install script: npm, pnpm, yarn and bun block them.
 *
 * The addon needs nothing of a system but its C library, of the version it was packed on or newer: publish from the
 * oldest that is to be supported.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { addonFile, buildDir, distDir, nodeModules, root } from '../setup/paths.mjs'
import { SetupError } from '../setup/progress.mjs'

const packagesDir = join(buildDir, 'packages')

/** What only this repository's own scripts need. */
const DEVELOPMENT_FIELDS = ['devDependencies', 'scripts', 'binary']

/**
 * @typedef {object} Packed
 * @property {string} name
 * @property {string} version
 * @property {string} file the tarball
 */

/**
 * Packs what is built.
 * @returns {Promise<Packed[]>} laneway first
 */
export async function packAll() {
  rmSync(packagesDir, { recursive: true, force: true })
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const platform = await stagePlatformPackage(manifest)
  const main = stageMainPackage(manifest, [platform.name])
  return [await pack(main), await pack(platform)]
}

/**
 * @typedef {object} Staged
 * @property {string} name
 * @property {string} version
 * @property {string} folder
 */

/**
 * @param {Record<string, any>} manifest
 * @param {readonly string[]} platforms the packages that are published together with this one
 * @returns {Staged}
 */
function stageMainPackage(manifest, platforms) {
  const folder = join(packagesDir, 'stage', manifest['name'])
  mkdirSync(folder, { recursive: true })
  cpSync(distDir, join(folder, 'dist'), { recursive: true })
  cpSync(join(root, 'ts'), join(folder, 'ts'), { recursive: true })
  for (const file of ['README.md', 'LICENSE']) copyIfThere(join(root, file), join(folder, file))
  const published = Object.fromEntries(
    Object.entries(manifest).filter(([field]) => !DEVELOPMENT_FIELDS.includes(field)),
  )
  const optionalDependencies = Object.fromEntries(platforms.map((name) => [name, manifest['version']]))
  writeManifest(folder, { ...published, optionalDependencies })
  return { name: manifest['name'], version: manifest['version'], folder }
}

/**
 * @param {Record<string, any>} manifest
 * @returns {Promise<Staged>}
 */
async function stagePlatformPackage(manifest) {
  const libc = linuxLibc()
  const suffix = [process.platform, process.arch, ...(libc ? [libc === 'glibc' ? 'gnu' : libc] : [])].join('-')
  const folder = join(packagesDir, 'stage', suffix)
  mkdirSync(folder, { recursive: true })
  if (!existsSync(addonFile)) throw new SetupError('there is no addon to pack: run `npm run build` first')
  cpSync(addonFile, join(folder, 'laneway.node'))
  // Function names of a crash's stack stay (they are the dynamic symbols); line numbers and locals go.
  await run('strip', 'strip', [process.platform === 'darwin' ? '-x' : '--strip-unneeded', join(folder, 'laneway.node')])
  copyIfThere(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  writeFileSync(join(folder, 'THIRD_PARTY_NOTICES.md'), thirdPartyNotices())
  const name = `@laneway/${suffix}`
  writeManifest(folder, {
    name,
    version: manifest['version'],
    description: `The native addon of laneway for ${suffix}`,
    license: manifest['license'],
    engines: manifest['engines'],
    os: [process.platform],
    cpu: [process.arch],
    ...(libc ? { libc: [libc] } : {}),
    main: 'laneway.node',
    files: ['laneway.node', 'THIRD_PARTY_NOTICES.md'],
    gypfile: false,
  })
  return { name, version: manifest['version'], folder }
}

/** @returns {'glibc' | 'musl' | null} npm's names; null where there is no choice */
function linuxLibc() {
  if (process.platform !== 'linux') return null
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport())
  return report.header?.glibcVersionRuntime ? 'glibc' : 'musl'
}

/** @returns {string} */
function thirdPartyNotices() {
  const texts = [
    join(root, 'packages', 'third-party-notices.md'),
    join(nodeModules, '@confluentinc', 'kafka-javascript', 'deps', 'librdkafka', 'LICENSES.txt'),
    join(nodeModules, 'zstd-napi', 'deps', 'zstd', 'LICENSE'),
    join(nodeModules, 'node-addon-api', 'LICENSE.md'),
  ]
  return texts.map((path) => readFileSync(path, 'utf8').trim()).join('\n\n---\n\n')
}

/**
 * @param {Staged} staged
 * @returns {Promise<Packed>}
 */
async function pack({ name, version, folder }) {
  const log = `pack-${name.replace(/\W+/g, '-')}`
  await run(log, 'npm', ['pack', '--ignore-scripts', '--pack-destination', packagesDir], { cwd: folder })
  const file = join(packagesDir, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
  return { name, version, file }
}

/**
 * @param {string} folder
 * @param {Record<string, unknown>} manifest
 */
function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

/**
 * @param {string} from
 * @param {string} to
 */
function copyIfThere(from, to) {
  if (existsSync(from)) cpSync(from, to)
}
