/** Processes keep the contract of engines, also when they are killed. */
import { fileURLToPath } from 'node:url'
import { processes } from 'laneway'
import { runContract } from './run-contract.js'

runContract('processes', {
  createEngine: ({ ledger, startDelayMs }) =>
    processes({
      command: process.execPath,
      args: [fileURLToPath(new URL('./obedient-worker.js', import.meta.url))],
      count: 2,
      handler: 'obey',
      env: { LANEWAY_LEDGER: ledger, LANEWAY_START_DELAY_MS: String(startDelayMs) },
      restart: { initial: 20, max: 200 },
    }),
  canCrash: true,
})
