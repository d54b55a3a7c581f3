/** The limit as contestants: bench/c-loop/c_loop.c in both its ways of draining, and once at librdkafka's defaults. */
import type { Command } from '../harness/live-process.js'
import { cProgram } from './c-program.js'
import { type Contestant, TUNED_PROPERTIES } from './registry.js'
import type { Task } from './task.js'

type Mode = 'batch' | 'callback'

function command(mode: Mode, task: Task): Command {
  const { brokers, topic, group, messages, properties, ledger, flush, deadlineMs } = task
  const settings = Object.entries(properties).flatMap(([name, value]) => ['-X', `${name}=${value}`])
  const noting = ledger === undefined ? [] : ['-L', ledger, ...(flush === 'each' ? ['-f'] : [])]
  const what = ['-b', brokers, '-t', topic, '-g', group, '-n', String(messages), '-m', mode]
  const args = [...what, '-d', String(Math.ceil(deadlineMs / 1000)), ...noting, ...settings]
  return { program: cProgram('laneway_c_loop'), args }
}

function cLoop(mode: Mode): Contestant {
  return {
    id: `c-loop-${mode}`,
    label: `C loop, ${mode}`,
    role: 'limit',
    keepsKeyOrder: true,
    concurrent: false,
    lz4: true,
    properties: TUNED_PROPERTIES,
    // It reads every byte even where others have nothing to do, so that no contestant is compared with less.
    works: ['none', 'touch'],
    command: (task) => command(mode, task),
  }
}

const batch = cLoop('batch')

export const C_LOOPS: readonly Contestant[] = [
  batch,
  cLoop('callback'),
  { ...batch, id: 'c-loop-batch-defaults', label: 'C loop, batch, its defaults', properties: {} },
]
