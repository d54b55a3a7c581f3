/**
 * Proves binding.gyp: builds the addon with node-gyp and loads it.
 *
 * node-gyp writes to build/ of the folder it is called in, which is cmake-js's here: it gets a folder of its own that
 * links to the sources. It would also download the headers of Node; the addon needs those of Node-API alone, which
 * the package node-api-headers has, so it is pointed at a folder that holds just the two configuration files it reads.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { show } from './run/show.mjs'
import { asOne, Tally } from './run/tally.mjs'
import { jobs } from './setup/command.mjs'
import { buildDir, nodeModules, root } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

const SOURCES = ['binding.gyp', 'package.json', 'package-lock.json', 'native', 'scripts', 'node_modules']

await setUpOrExit()
const checkout = join(buildDir, 'gyp')
const headers = join(checkout, 'node')
const tally = new Tally()
await tally.add('node-gyp builds the addon', async () => {
  linkSources()
  writeNodeConfiguration()
  const nodeGyp = join(nodeModules, 'node-gyp', 'bin', 'node-gyp.js')
  const args = ['rebuild', `--nodedir=${headers}`, `--jobs=${jobs}`, '--loglevel=warn']
  const { status } = await show(process.execPath, [nodeGyp, ...args], { cwd: checkout })
  return asOne(status === 0)
})
await tally.add('the addon that node-gyp built loads', async () => {
  const script = `console.log(require(${JSON.stringify(join(checkout, 'build/Release/laneway.node'))}).versions())`
  const { status } = await show(process.execPath, ['--eval', script])
  return asOne(status === 0)
})
tally.close()

function linkSources() {
  rmSync(checkout, { recursive: true, force: true })
  mkdirSync(checkout, { recursive: true })
  for (const name of SOURCES) symlinkSync(join(root, name), join(checkout, name))
}

function writeNodeConfiguration() {
  const include = join(headers, 'include', 'node')
  mkdirSync(include, { recursive: true })
  const linker = { conditions: [['OS == "mac"', { xcode_settings: { OTHER_LDFLAGS: ['-undefined dynamic_lookup'] } }]] }
  const common = {
    target_defaults: { default_configuration: 'Release', configurations: { Release: {}, Debug: {} }, ...linker },
  }
  writeFileSync(join(include, 'common.gypi'), `${JSON.stringify(common)}\n`)
  writeFileSync(join(include, 'config.gypi'), `${JSON.stringify({ target_defaults: {}, variables: {} })}\n`)
}
