/**
 * The peer Pyrallel Consumer for Python, in each of its orders on asyncio, and with its processes, which its operations
 * guide recommends for work on the CPU.
 */
import { sourceFile } from '../../test/broker/package-root.js'
import { type Contestant, TUNED_PROPERTIES } from '../contestants/registry.js'
import { installPython } from './install-python.js'
import type { Peer } from './peer.js'

/** Those that its package is made for. */
const PYTHON = { oldest: 12, newest: 13 }

interface Way extends Omit<Contestant, 'role' | 'lz4' | 'command'> {
  readonly order: 'key_hash' | 'partition' | 'unordered'
  readonly engine: 'async' | 'process'
}

const byKey: Way = {
  id: 'pyrallel-key',
  label: 'Pyrallel Consumer, key_hash',
  keepsKeyOrder: true,
  concurrent: true,
  properties: TUNED_PROPERTIES,
  order: 'key_hash',
  engine: 'async',
}

const WAYS: readonly Way[] = [
  byKey,
  { ...byKey, id: 'pyrallel-key-defaults', label: `${byKey.label}, its defaults`, properties: {} },
  {
    ...byKey,
    id: 'pyrallel-key-processes',
    label: `${byKey.label}, processes`,
    engine: 'process',
    // A process per core waits for one message at a time: its guide says to use asyncio where handlers wait.
    works: ['none', 'touch', 'spin'],
  },
  {
    ...byKey,
    id: 'pyrallel-partition',
    label: 'Pyrallel Consumer, partition',
    concurrent: false,
    order: 'partition',
  },
  {
    ...byKey,
    id: 'pyrallel-unordered',
    label: 'Pyrallel Consumer, unordered',
    keepsKeyOrder: false,
    order: 'unordered',
  },
]

function contestant({ order, engine, ...entry }: Way, python: string): Contestant {
  const program = sourceFile('bench/peers/pyrallel/pyrallel_peer.py')
  return {
    ...entry,
    role: 'peer',
    lz4: true,
    // -B: a benchmark leaves no compiled files beside the sources.
    command: (task) => ({ program: python, args: ['-B', program, JSON.stringify(task), order, engine] }),
  }
}

export const pyrallel: Peer = {
  name: 'pyrallel',
  ids: WAYS.map(({ id }) => id),
  prepare: async (say) => {
    const python = await installPython('pyrallel', PYTHON, say)
    return WAYS.map((way) => contestant(way, python))
  },
}
