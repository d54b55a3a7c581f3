/** `npm run simulate -- [--seeds N] [--from S] [--help]`: sets up, then runs the deterministic simulation. */
import { join } from 'node:path'
import { show } from './run/show.mjs'
import { buildDir } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit({ tests: true })
const { status } = await show(join(buildDir, 'bin', 'laneway_simulate'), process.argv.slice(2))
process.exitCode = status
