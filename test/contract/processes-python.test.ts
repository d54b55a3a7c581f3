/** Processes in Python keep the contract of engines, as those in Node do; skipped where there is no Python for them. */
import { processes } from 'laneway'
import { skipLoudly } from '../worker-conformance/absent-language.js'
import { obedientPython } from '../worker-conformance/python.js'
import { runContract } from './run-contract.js'

/** A worker in Python handles some thousands a second. */
const MESSAGES = 10_000

const program = obedientPython('asyncio')
if (typeof program === 'string') {
  skipLoudly('engine contract: processes in Python', program)
} else {
  runContract('processes in Python', {
    createEngine: ({ ledger, startDelayMs }) =>
      processes({
        command: program.command,
        args: [...program.args],
        count: 2,
        handler: 'obey',
        env: { ...program.env, LANEWAY_LEDGER: ledger, LANEWAY_START_DELAY_MS: String(startDelayMs) },
        restart: { initial: 20, max: 200 },
      }),
    canCrash: true,
    messages: MESSAGES,
  })
}
