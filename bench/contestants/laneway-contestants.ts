/**
 * laneway as contestants: each order, each form of handler, and the engines whose handlers run elsewhere. The handler is
 * as asynchronous as its work, unless the contestant says otherwise.
 */
import { fileURLToPath } from 'node:url'
import { type Contestant, TUNED_PROPERTIES } from './registry.js'
import type { Task } from './task.js'

/** As bench/contestants/laneway.ts takes them. */
export const FORMS = ['plain', 'async'] as const
export const ENGINES = ['inline', 'threads', 'processes'] as const
export const ORDERS = ['key', 'partition', 'none'] as const

interface Form {
  readonly order: (typeof ORDERS)[number]
  readonly form: (typeof FORMS)[number]
  readonly engine: (typeof ENGINES)[number]
  readonly nodeOptions: readonly string[]
}

/** As docs/performance.md recommends for a process that keeps little else: V8's first heap is one of a few MB. */
const FIRST_HEAP = '--initial-heap-size=128'

const program = fileURLToPath(new URL('./laneway.js', import.meta.url))

function laneway(
  entry: Pick<Contestant, 'id' | 'label' | 'works'>,
  { order = 'key', form = 'plain', engine = 'inline', nodeOptions = [] }: Partial<Form> = {},
  adapt: (task: Task) => Task = (task) => task,
): Contestant {
  return {
    ...entry,
    role: 'laneway',
    keepsKeyOrder: order !== 'none',
    concurrent: order !== 'partition',
    lz4: true,
    properties: TUNED_PROPERTIES,
    command: (task) => ({
      program: process.execPath,
      args: [...nodeOptions, program, JSON.stringify(adapt(task)), order, form, engine],
    }),
  }
}

const key = laneway({ id: 'laneway-key', label: 'laneway, key' })

export const LANEWAYS: readonly Contestant[] = [
  key,
  laneway({ id: 'laneway-key-touch', label: 'laneway, key, reads every byte', works: ['none'] }, {}, (task) => ({
    ...task,
    work: { kind: 'touch' },
  })),
  laneway({ id: 'laneway-key-async', label: 'laneway, key, async handler', works: ['none'] }, { form: 'async' }),
  laneway(
    { id: 'laneway-key-heap', label: `laneway, key, node ${FIRST_HEAP}`, works: ['none'] },
    { nodeOptions: [FIRST_HEAP] },
  ),
  laneway({ id: 'laneway-partition', label: 'laneway, partition' }, { order: 'partition' }),
  laneway({ id: 'laneway-unordered', label: 'laneway, no order' }, { order: 'none' }),
  laneway({ id: 'laneway-threads', label: 'laneway, key, worker threads' }, { engine: 'threads' }),
  laneway({ id: 'laneway-processes', label: 'laneway, key, Node processes' }, { engine: 'processes' }),
  { ...key, id: 'laneway-key-defaults', label: "laneway, key, librdkafka's defaults", properties: {} },
]
