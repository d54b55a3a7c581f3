/** The workers in other languages that the engines benchmark needs, and which of them cannot take part here. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sourceFile } from '../../../test/broker/package-root.js'
import type { EngineId } from './order.js'

const checkout = join(sourceFile('package.json'), '..')
const here = join(checkout, 'bench', 'contestants', 'engine')

/** The interpreter that the set-up installs the SDK for. */
export const PYTHON = join(checkout, 'build', 'python', 'bin', 'python')
export const PYTHON_WORKER = join(here, 'worker.py')
export const GO_WORKER = join(checkout, 'build', 'bench', 'worker-go')

/** The reason, where the command fails. */
function failureOf(command: string, args: readonly string[], cwd: string): string | undefined {
  const { status, stderr, error } = spawnSync(command, [...args], { cwd, encoding: 'utf8' })
  if (status === 0) return undefined
  return error?.message ?? `${command}: ${stderr.trim().split('\n').at(-1)}`
}

function buildGoWorker(): string | undefined {
  mkdirSync(dirname(GO_WORKER), { recursive: true })
  return failureOf('go', ['build', '-o', GO_WORKER, join(here, 'worker.go')], join(checkout, 'workers', 'go'))
}

/** Why an engine cannot be measured here; undefined where it can. Builds the worker in Go. */
export function absenceOf(id: EngineId): string | undefined {
  if (id === 'processes-go') return buildGoWorker()
  if (id === 'processes-python') return failureOf(PYTHON, [PYTHON_WORKER, '--check'], here)
  return undefined
}
