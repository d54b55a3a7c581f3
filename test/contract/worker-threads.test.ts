/** Worker threads keep the contract of engines, also when they die. */
import { workerThreads } from 'laneway'
import { obedientHandlerModule } from 'laneway/testing'
import { runContract } from './run-contract.js'

runContract('worker threads', {
  createEngine: ({ ledger, startDelayMs }) =>
    workerThreads({
      module: obedientHandlerModule,
      threads: 2,
      data: { ledger, startDelayMs },
      restart: { initial: 20, max: 200 },
    }),
  canCrash: true,
})
