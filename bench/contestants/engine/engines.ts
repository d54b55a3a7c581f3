/** The engines that are measured, each with its workers. Loaded in a contestant's process. */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Engine, inline, processes, remoteWorkers, workerThreads } from 'laneway'
import { GO_WORKER, PYTHON, PYTHON_WORKER } from './absence.js'
import type { HandlerOrder } from './handler.js'
import type { EngineId } from './order.js'

const LOOK_MS = 10

export interface Measured {
  readonly engine: Engine
  /** Starts what does not belong to the engine. */
  startWorkers(): Promise<void>
  stopWorkers(): void
}

const handlerModule = new URL('./handler.js', import.meta.url)
const nodeWorker = fileURLToPath(new URL('./worker.js', import.meta.url))
const none = { startWorkers: async () => undefined, stopWorkers: () => undefined }

function children(command: string, args: readonly string[], order: HandlerOrder): Measured {
  const env = { LANEWAY_BENCH_HANDLER: JSON.stringify(order) }
  return { engine: processes({ command, args: [...args], count: 1, env }), ...none }
}

function dialling(order: HandlerOrder): Measured {
  const engine = remoteWorkers({ listen: '127.0.0.1:0' })
  let stop = (): void => undefined
  return {
    engine,
    async startWorkers() {
      while (engine.address === undefined) await sleep(LOOK_MS)
      const env = {
        ...process.env,
        LANEWAY_BENCH_HANDLER: JSON.stringify(order),
        LANEWAY_WORKER_ADDRESS: engine.address,
      }
      const worker = spawn(process.execPath, [nodeWorker], { env, stdio: ['ignore', 'ignore', 'inherit'] })
      stop = () => void worker.kill('SIGKILL')
    },
    stopWorkers: () => stop(),
  }
}

export function measured(id: EngineId, order: HandlerOrder): Measured {
  switch (id) {
    case 'inline':
      return { engine: inline(), ...none }
    case 'worker-threads-1':
      return { engine: workerThreads({ module: handlerModule, threads: 1, data: order }), ...none }
    case 'worker-threads-2':
      return { engine: workerThreads({ module: handlerModule, threads: 2, data: order }), ...none }
    case 'processes-node':
      return children(process.execPath, [nodeWorker], order)
    case 'processes-python':
      return children(PYTHON, [PYTHON_WORKER], order)
    case 'processes-go':
      return children(GO_WORKER, [], order)
    case 'remote-node':
      return dialling(order)
  }
}
