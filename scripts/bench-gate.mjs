/** `npm run bench:gate -- [options]`: sets up, then runs the compiled bench/gate/main.ts with these arguments. */
import { join } from 'node:path'
import { runInForeground } from './run/laneway.mjs'
import { buildDir } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit({ tests: true })
await runInForeground(join(buildDir, 'js', 'bench', 'gate', 'main.js'), process.argv.slice(2))
