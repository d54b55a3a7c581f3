/** A worker whose handler is the obedient one: a child of processes(), or one that dials remoteWorkers(). */
import { setTimeout as sleep } from 'node:timers/promises'
import { obedientHandler } from 'laneway/testing'
import { Worker } from 'laneway/worker'

await sleep(Number(process.env['LANEWAY_START_DELAY_MS'] ?? 0))
await new Worker({ handlers: { obey: obedientHandler() }, concurrency: 64 }).run()
