/** `node scripts/pack.mjs`: sets up, writes the published packages to build/packages, lists them as JSON on stdout. */
import { packAll } from './run/packages.mjs'
import { orExplain } from './setup/progress.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit()
const packed = await orExplain(packAll)
process.stdout.write(`${JSON.stringify(packed, null, 2)}\n`)
