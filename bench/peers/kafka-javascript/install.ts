/**
 * Installs `@confluentinc/kafka-javascript`. Its install script would download a prebuilt library; instead the addon is
 * built with CKJS_LINKING=dynamic from the librdkafka source that the package carries, which is the source that
 * laneway's own librdkafka is built from: what is compared is the two packages, not two versions or builds of
 * librdkafka. About a minute, once.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runToEnd } from '../../../test/broker/run-to-end.js'
import { installNpm } from '../install-npm.js'

const BUILD_DEADLINE_MS = 10 * 60_000

/** Where Node's headers lie beside its binary, as every distribution of Node puts them. */
function nodeFolder(): string {
  const folder = dirname(dirname(process.execPath))
  if (existsSync(join(folder, 'include', 'node', 'node.h'))) return folder
  throw new Error(`the headers of Node ${process.version} are not installed (include/node/node.h beside its binary)`)
}

async function build(folder: string): Promise<void> {
  const modules = join(folder, 'node_modules')
  // In a parallel make inherited from outside, the addon would start before librdkafka's configure has ended.
  const { MAKEFLAGS: _inherited, ...env } = process.env
  const make = await runToEnd(
    process.execPath,
    [join(modules, 'node-gyp', 'bin', 'node-gyp.js'), 'rebuild', `--nodedir=${nodeFolder()}`],
    {
      cwd: join(modules, '@confluentinc', 'kafka-javascript'),
      env: { ...env, CKJS_LINKING: 'dynamic' },
      deadlineMs: BUILD_DEADLINE_MS,
    },
  )
  if (make.status !== 0) throw new Error(`the peer's addon could not be built:\n${make.output.slice(-4000)}`)
}

/** The folder whose node_modules hold it. */
export function installKafkaJavascript(say: (line: string) => void): Promise<string> {
  return installNpm('kafka-javascript', say, build)
}
