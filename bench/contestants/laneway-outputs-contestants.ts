/** The ways to produce an output for each message, with and without transactions, as contestants of their own scenario. */
import { fileURLToPath } from 'node:url'
import { type Contestant, TUNED_PROPERTIES } from './registry.js'

/** As bench/contestants/laneway-outputs.ts takes them. */
export const WAYS = ['exactly-once', 'produce', 'produce-lingering'] as const
export type Way = (typeof WAYS)[number]

const LABELS: Readonly<Record<Way, string>> = {
  'exactly-once': 'laneway, exactly once',
  produce: 'laneway, produce without transactions',
  'produce-lingering': 'laneway, the same with linger.ms 100',
}

const program = fileURLToPath(new URL('./laneway-outputs.js', import.meta.url))

export function lanewayOutputs(way: Way, outputTopic: string): Contestant {
  return {
    id: `laneway-${way}`,
    label: LABELS[way],
    role: 'laneway',
    keepsKeyOrder: true,
    concurrent: true,
    lz4: true,
    properties: TUNED_PROPERTIES,
    command: (task) => ({ program: process.execPath, args: [program, JSON.stringify({ ...task, outputTopic }), way] }),
  }
}
