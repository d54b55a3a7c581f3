/** `laneway/worker` does all that an SDK must do. */
import { fileURLToPath } from 'node:url'
import { runConformance } from './conformance.js'

const program = fileURLToPath(new URL('workers/obey.js', import.meta.url))
runConformance('Node', { command: process.execPath, args: ['--enable-source-maps', program] })
