/** The conformance program of `laneway/worker`: see README.md in the folder above. */
import { once } from 'node:events'
import { obedientHandler } from '../../../ts/testing/obedient-handler.js'
import { serveFunction, Worker } from '../../../ts/worker/index.js'

const handlers = { obey: obedientHandler() }
const functionAddress = process.env['LANEWAY_FUNCTION_ADDRESS']

const numberIn = (name: string): number | undefined => (process.env[name] ? Number(process.env[name]) : undefined)

async function serve(listen: string): Promise<void> {
  await using _server = await serveFunction({ listen, handlers, token: process.env['LANEWAY_WORKER_TOKEN'] })
  await once(process, 'SIGTERM')
}

async function work(): Promise<void> {
  const concurrency = numberIn('LANEWAY_WORKER_CONCURRENCY')
  const credits = numberIn('LANEWAY_WORKER_CREDITS')
  await new Worker({ handlers, concurrency, credits }).run()
}

await (functionAddress === undefined ? work() : serve(functionAddress))
