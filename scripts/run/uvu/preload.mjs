/** Given to Node before a test file (`--import`): in its main thread `uvu` is the module beside this one. */
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) register('./hooks.mjs', import.meta.url)
