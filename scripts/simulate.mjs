/** `npm run simulate -- [--seeds N] [--seed S]`: sets up, then runs the deterministic simulation with these options. */
import { join } from 'node:path'
import { show } from './run/show.mjs'
import { buildDir } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit({ tests: true })
const { status } = await show(join(buildDir, 'bin', 'laneway_simulate'), process.argv.slice(2))
process.exitCode = status
