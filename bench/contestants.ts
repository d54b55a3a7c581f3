/**
 * Who takes part in each benchmark, and how each is started. All get the same librdkafka settings; the peer also has a
 * row at its own defaults.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sourceFile } from '../test/broker/package-root.js'
import type { Task } from './contestants/earlier-task.js'
import { installKafkaJavascript } from './peers/install-kafka-javascript.js'
import type { Command } from './run-process.js'

/** At librdkafka's defaults the C loop itself swings several-fold between runs. */
export const TUNED_PROPERTIES: Readonly<Record<string, string>> = {
  'queued.min.messages': '1000000',
  'fetch.queue.backoff.ms': '10',
}

export const CONTESTANT_IDS = {
  throughput: [
    'c-loop-batch',
    'c-loop-callback',
    'laneway-sync',
    'laneway-async',
    'kafka-javascript',
    'kafka-javascript-defaults',
  ],
  /** The same output for each message, with and without transactions. */
  'exactly-once': ['laneway-produce', 'laneway-produce-lingering', 'laneway-exactly-once'],
} as const
export type Benchmark = keyof typeof CONTESTANT_IDS
export type ContestantId = (typeof CONTESTANT_IDS)[Benchmark][number]

/** What others are compared with: the limit of all, or a peer. */
export type Role = 'limit' | 'laneway' | 'peer'

export interface Contestant {
  readonly id: ContestantId
  readonly label: string
  readonly role: Role
  readonly properties: Readonly<Record<string, string>>
  command(task: Task): Command
}

/** One that cannot take part here, and why: it stays visible in the results. */
export interface Absent {
  readonly id: ContestantId
  readonly label: string
  readonly reason: string
}

/** Built by CMake beside the addon. */
export function cProgram(name: 'laneway_c_loop' | 'laneway_c_produce'): string {
  const file = join(sourceFile('package.json'), '..', 'build', 'bin', name)
  if (!existsSync(file)) throw new Error(`${name} is not built; "npm run build" builds it`)
  return file
}

const script = (name: string): string => fileURLToPath(new URL(`./contestants/${name}.js`, import.meta.url))

function cLoop(mode: 'batch' | 'callback'): Contestant {
  const program = cProgram('laneway_c_loop')
  return {
    id: `c-loop-${mode}`,
    label: `C loop, ${mode}`,
    role: 'limit',
    properties: TUNED_PROPERTIES,
    command: ({ brokers, topic, group, messages, properties, deadlineMs }) => {
      const settings = Object.entries(properties).flatMap(([name, value]) => ['-X', `${name}=${value}`])
      const where = ['-b', brokers, '-t', topic, '-g', group, '-n', String(messages)]
      return { program, args: [...where, '-m', mode, '-d', String(Math.ceil(deadlineMs / 1000)), ...settings] }
    },
  }
}

function laneway(handler: 'sync' | 'async'): Contestant {
  return {
    id: `laneway-${handler}`,
    label: `laneway, order: 'key', empty ${handler} handler`,
    role: 'laneway',
    properties: TUNED_PROPERTIES,
    command: (task) => ({ program: process.execPath, args: [script('laneway'), JSON.stringify(task), handler] }),
  }
}

const OUTPUT_LABELS = {
  produce: 'laneway, produce without transactions',
  'produce-lingering': 'laneway, the same with linger.ms 100',
  'exactly-once': 'laneway, exactly once',
} as const

function lanewayOutputs(how: keyof typeof OUTPUT_LABELS): Contestant {
  return {
    id: `laneway-${how}`,
    label: OUTPUT_LABELS[how],
    role: how === 'exactly-once' ? 'laneway' : 'peer',
    properties: TUNED_PROPERTIES,
    command: (task) => ({ program: process.execPath, args: [script('laneway-outputs'), JSON.stringify(task), how] }),
  }
}

function kafkaJavascript(folder: string, settings: 'same settings' | 'its defaults'): Contestant {
  return {
    id: settings === 'same settings' ? 'kafka-javascript' : 'kafka-javascript-defaults',
    label: `kafka-javascript eachMessage, ${settings}`,
    role: 'peer',
    properties: settings === 'same settings' ? TUNED_PROPERTIES : {},
    command: (task) => ({
      program: process.execPath,
      args: [script('kafka-javascript'), JSON.stringify(task), folder],
    }),
  }
}

export interface Entrants {
  readonly contestants: readonly Contestant[]
  readonly absent: readonly Absent[]
}

/**
 * Everyone wanted that can run here, in the order of the table; installs the peer where it is wanted and not installed
 * yet (about a minute).
 *
 * @throws Error for an id that is none
 */
export async function gatherContestants(
  benchmark: Benchmark,
  only: readonly string[] = CONTESTANT_IDS[benchmark],
): Promise<Entrants> {
  const ids: readonly string[] = CONTESTANT_IDS[benchmark]
  const unknown = only.find((id) => !ids.includes(id))
  if (unknown !== undefined) throw new Error(`no contestant "${unknown}"; there are: ${ids.join(', ')}`)
  const wanted = ({ id }: { readonly id: ContestantId }): boolean => only.includes(id)
  const consuming = [cLoop('batch'), cLoop('callback'), laneway('sync'), laneway('async')]
  const producing = [lanewayOutputs('produce'), lanewayOutputs('produce-lingering'), lanewayOutputs('exactly-once')]
  const own = [...consuming, ...producing].filter(wanted)
  if (!only.some((id) => id.startsWith('kafka-javascript'))) return { contestants: own, absent: [] }
  try {
    const folder = await installKafkaJavascript()
    const peers = [kafkaJavascript(folder, 'same settings'), kafkaJavascript(folder, 'its defaults')].filter(wanted)
    return { contestants: [...own, ...peers], absent: [] }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { contestants: own, absent: [{ id: 'kafka-javascript', label: 'kafka-javascript eachMessage', reason }] }
  }
}
