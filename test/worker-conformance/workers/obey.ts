/** The conformance program of `laneway/worker`: see README.md in the folder above. */
import { obedientHandler } from '../../../ts/testing/obedient-handler.js'
import { Worker } from '../../../ts/worker/index.js'

const numberIn = (name: string): number | undefined => (process.env[name] ? Number(process.env[name]) : undefined)

const worker = new Worker({
  handlers: { obey: obedientHandler() },
  concurrency: numberIn('LANEWAY_WORKER_CONCURRENCY'),
  credits: numberIn('LANEWAY_WORKER_CREDITS'),
})
await worker.run()
