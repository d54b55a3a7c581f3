/** Makes a peer of a client for Node: every way of using it is a program in TypeScript that loads the installed client. */
import { fileURLToPath } from 'node:url'
import type { Contestant } from '../contestants/registry.js'
import type { Peer } from './peer.js'

export interface Installed {
  /** Its node_modules hold the client. */
  readonly folder: string
  /** The binary of Node that the client runs on. */
  readonly node: string
}

/** A contestant of which the place of its client is not known yet. */
export interface Way extends Omit<Contestant, 'role' | 'command'> {
  /** Takes the task, the folder and `args`. */
  readonly program: URL
  readonly args: readonly string[]
}

function contestant({ program, args, ...entry }: Way, { folder, node }: Installed): Contestant {
  return {
    ...entry,
    role: 'peer',
    command: (task) => ({ program: node, args: [fileURLToPath(program), JSON.stringify(task), folder, ...args] }),
  }
}

export function nodePeer(
  name: string,
  ways: readonly Way[],
  install: (say: (line: string) => void) => Promise<Installed>,
): Peer {
  return {
    name,
    ids: ways.map(({ id }) => id),
    prepare: async (say) => {
      const installed = await install(say)
      return ways.map((way) => contestant(way, installed))
    },
  }
}
