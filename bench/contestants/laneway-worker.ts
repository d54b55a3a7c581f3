/** A worker process of laneway's contestants. */
import { Worker } from 'laneway/worker'
import { setUp, TASK_VARIABLE } from './laneway-handler.js'
import { parseTask } from './task.js'

const task = parseTask(process.env[TASK_VARIABLE])
const worker = new Worker({ handlers: { default: setUp(task) }, concurrency: task.concurrency })
await worker.run()
