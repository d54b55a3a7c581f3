/** `node scripts/pack.mjs`: sets up, writes the published packages to build/packages, lists them as JSON on stdout. */
import { packAll } from './run/packages.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit()
process.stdout.write(`${JSON.stringify(await packAll(), null, 2)}\n`)
