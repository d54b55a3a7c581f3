/** A host with one child, for a test that kills the host: one message, and then it waits. */
import { processes } from 'laneway'
import { runOf, ScriptedHost } from '../unit/scripted-taker.js'

const [childWorker = ''] = process.argv.slice(2)
const host = new ScriptedHost(() => undefined)
await processes({ command: process.execPath, args: [childWorker, 'obey'], count: 1 }).start(host)
host.offer(runOf(0, 1))
setInterval(() => undefined, 1_000)
