/** A child of a member whose handlers run in processes: one argument says whose. */
import { Worker } from 'laneway/worker'
import { type WorkerHandlerOrder, workerHandler } from './worker-handler.js'

const order = JSON.parse(process.argv[2] ?? '') as WorkerHandlerOrder
await new Worker({ handlers: { default: workerHandler(order) }, concurrency: 64 }).run()
