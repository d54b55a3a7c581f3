/** `npm run example:NAME -- [options]`: sets up, then runs examples/NAME/main.mjs with these options. */
import { join } from 'node:path'
import { runInForeground } from './run/laneway.mjs'
import { root } from './setup/paths.mjs'
import { orExplain } from './setup/progress.mjs'
import { setUpPythonWorker } from './setup/python-worker.mjs'
import { setUpOrExit } from './setup.mjs'

const [name = '', ...args] = process.argv.slice(2)
await setUpOrExit()
// Its workers are in Python, unless --worker says otherwise.
if (name === 'recommender') await orExplain(setUpPythonWorker)
await runInForeground(join(root, 'examples', name, 'main.mjs'), args)
