/**
 * Remote workers keep the contract of engines: two of them dial over loopback. What becomes of one that is lost is seen in
 * test/engines: its lanes open at the deadlines that it was told, which is later than these cases wait.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type RemoteWorkersEngine, remoteWorkers } from 'laneway'
import type { EngineSetting } from 'laneway/testing'
import { runContract } from './run-contract.js'

const WORKERS = 2
const LOOK_MS = 10
const program = fileURLToPath(new URL('./obedient-worker.js', import.meta.url))

/** Starts them as soon as there is something to dial. */
async function dial(
  engine: RemoteWorkersEngine,
  { ledger, startDelayMs }: EngineSetting,
  children: ChildProcess[],
  over: AbortSignal,
): Promise<void> {
  while (engine.address === undefined) {
    // Its consumer was closed before it could listen.
    if (over.aborted) return
    await sleep(LOOK_MS)
  }
  const env = {
    ...process.env,
    LANEWAY_WORKER_ADDRESS: engine.address,
    LANEWAY_LEDGER: ledger,
    LANEWAY_START_DELAY_MS: String(startDelayMs),
  }
  while (children.length < WORKERS) children.push(spawn(process.execPath, [program], { env, stdio: 'ignore' }))
}

runContract('remote workers', {
  createEngine(setting) {
    const engine = remoteWorkers({ listen: '127.0.0.1:0', handler: 'obey' })
    const children: ChildProcess[] = []
    const over = new AbortController()
    const dialled = dial(engine, setting, children, over.signal)
    setting.onEnd(async () => {
      over.abort()
      await dialled
      for (const child of children) child.kill('SIGKILL')
    })
    return engine
  },
})
