/** `npm run example:NAME -- [options]`: sets up, then runs examples/NAME/main.mjs with these options. */
import { join } from 'node:path'
import { runInForeground } from './run/laneway.mjs'
import { root } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

const [name = '', ...args] = process.argv.slice(2)
await setUpOrExit()
await runInForeground(join(root, 'examples', name, 'main.mjs'), args)
