/**
 * Installs the peer `@confluentinc/kafka-javascript` on demand, from its own lockfile, into the shared cache.
 *
 * Its install script would download a prebuilt library; it is not run. The addon is built with CKJS_LINKING=dynamic
 * from the librdkafka source that the package carries, which is the source that laneway's own librdkafka is built
 * from: what is compared is the two packages, not two versions or builds of librdkafka. About a minute, once.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cached } from '../../test/broker/cache.js'
import { sourceFile } from '../../test/broker/package-root.js'
import { runToEnd } from '../../test/broker/run-to-end.js'

const FILES = ['package.json', 'package-lock.json', '.npmrc']
const INSTALL_DEADLINE_MS = 5 * 60_000
const BUILD_DEADLINE_MS = 10 * 60_000

const peerFile = (name: string): string => sourceFile(`bench/peers/kafka-javascript/${name}`)

/** Where Node's headers lie beside its binary, as every distribution of Node puts them. */
function nodeFolder(): string {
  const folder = dirname(dirname(process.execPath))
  if (existsSync(join(folder, 'include', 'node', 'node.h'))) return folder
  throw new Error(`the headers of Node ${process.version} are not installed (include/node/node.h beside its binary)`)
}

async function build(folder: string): Promise<void> {
  const headers = nodeFolder()
  for (const file of FILES) await copyFile(peerFile(file), join(folder, file))
  const install = await runToEnd('npm', ['ci', '--ignore-scripts'], { cwd: folder, deadlineMs: INSTALL_DEADLINE_MS })
  if (install.status !== 0) throw new Error(`npm ci failed:\n${install.output.slice(-2000)}`)

  const modules = join(folder, 'node_modules')
  // In a parallel make inherited from outside, the addon would start before librdkafka's configure has ended.
  const { MAKEFLAGS: _inherited, ...env } = process.env
  const make = await runToEnd(
    process.execPath,
    [join(modules, 'node-gyp', 'bin', 'node-gyp.js'), 'rebuild', `--nodedir=${headers}`],
    {
      cwd: join(modules, '@confluentinc', 'kafka-javascript'),
      env: { ...env, CKJS_LINKING: 'dynamic' },
      deadlineMs: BUILD_DEADLINE_MS,
    },
  )
  if (make.status !== 0) throw new Error(`the peer's addon could not be built:\n${make.output.slice(-4000)}`)
}

/** The folder whose node_modules hold the peer, ready to be required. */
export async function installKafkaJavascript(): Promise<string> {
  const hash = createHash('sha256')
  for (const file of FILES) hash.update(await readFile(peerFile(file)))
  const binary = `node${process.versions.modules}-${process.platform}-${process.arch}`
  return cached(`kafka-javascript-${binary}-${hash.digest('hex').slice(0, 12)}`, build)
}
