/** The inline engine keeps the contract of engines. */
import { inline } from 'laneway'
import { runContract } from './run-contract.js'

runContract('inline', { createEngine: () => inline() })
