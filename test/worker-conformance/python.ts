/** Where the virtual environment with the Python SDK is (scripts/setup/python-worker.mjs makes it), and its programs. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sourceFile } from '../broker/package-root.js'
import type { Program } from './scene.js'

export const pythonSdk = sourceFile('workers/python')
const interpreter = join(dirname(dirname(pythonSdk)), 'build', 'python', 'bin', 'python')

/** A Python program, or why there is no Python for it. */
export function pythonProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program | string {
  if (existsSync(interpreter)) return { command: interpreter, args, env }
  return 'set-up found no Python 3.10 or newer with venv (Debian: apt-get install python3-venv)'
}

/** The conformance program, with handlers of one style. */
export function obedientPython(style: 'asyncio' | 'threads'): Program | string {
  const file = sourceFile('test/worker-conformance/workers/obey.py')
  return pythonProgram([file], { LANEWAY_WORKER_STYLE: style })
}
