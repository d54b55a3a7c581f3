/** `npm run chaos -- --minutes M [--seed S] [--engine NAME]`: sets up, then runs the compiled chaos/main.ts with these options. */
import { join } from 'node:path'
import { runInForeground } from './run/laneway.mjs'
import { buildDir } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit({ tests: true })
await runInForeground(join(buildDir, 'js', 'chaos', 'main.js'), process.argv.slice(2))
