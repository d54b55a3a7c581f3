/** A worker of the engines benchmark: its handler's order is in the environment, and so is where the host listens. */
import { Worker } from 'laneway/worker'
import { benchHandler, type HandlerOrder } from './handler.js'

const order = JSON.parse(process.env['LANEWAY_BENCH_HANDLER'] ?? '') as HandlerOrder
const worker = new Worker({ handlers: { default: benchHandler(order) }, concurrency: 256 })
await worker.run()
