/** `npm run broker -- [--port N] [--topic NAME[:PARTITIONS]]...`: sets up, then runs a real Kafka until it is interrupted. */
import { join } from 'node:path'
import { runInForeground } from './run/laneway.mjs'
import { buildDir } from './setup/paths.mjs'
import { setUpOrExit } from './setup.mjs'

await setUpOrExit({ tests: true })
await runInForeground(join(buildDir, 'js', 'test', 'broker', 'broker-cli.js'), process.argv.slice(2))
