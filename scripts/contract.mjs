/**
 * Checks the contract with workers: that it is well formed (`buf lint`), and that it breaks no worker which was built for
 * the last released one (`buf breaking` against its image, proto/released.txtpb).
 *
 *   npm run contract
 *   npm run contract -- --release    also makes the contract the released one: part of each release, of no other change
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { show } from './run/show.mjs'
import { asOne, Tally } from './run/tally.mjs'
import { run } from './setup/command.mjs'
import { nodeModules, root } from './setup/paths.mjs'
import { orExplain } from './setup/progress.mjs'
import { setUpOrExit } from './setup.mjs'

const { values } = parseArgs({ options: { release: { type: 'boolean', default: false } } })

const proto = join(root, 'proto')
const released = join(proto, 'released.txtpb')
const buf = join(nodeModules, '@bufbuild', 'buf', 'bin', 'buf')

/** @param {readonly string[]} args */
async function succeeds(...args) {
  return asOne((await show(process.execPath, [buf, ...args])).status === 0)
}

await setUpOrExit()
const tally = new Tally()
await tally.add('lint', () => succeeds('lint', proto))
await tally.add('breaking', () => succeeds('breaking', proto, '--against', released))
tally.close()

if (values.release && process.exitCode === undefined) {
  await orExplain(() =>
    run('buf', process.execPath, [buf, 'build', proto, '--exclude-source-info', '--output', released]),
  )
}
