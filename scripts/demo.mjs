/** `npm run demo -- [options]`: sets up, then runs `laneway demo` with these options. */
import { runCommand } from './run/laneway.mjs'

await runCommand('demo')
