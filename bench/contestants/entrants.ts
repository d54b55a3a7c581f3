/** Who takes part in a benchmark: the limit, laneway and the peers that are wanted and can run here. */
import type { Absent } from '../harness/report.js'
import { PEERS } from '../peers/index.js'
import type { LineUp } from '../scenarios/scenario.js'
import { C_LOOPS } from './c-loop.js'
import { LANEWAYS } from './laneway-contestants.js'
import { ableTo, type Contestant } from './registry.js'
import type { Work } from './task.js'

/** Ends the id of a contestant that runs at librdkafka's defaults beside one at the settings of the C loop. */
const DEFAULTS_SUFFIX = '-defaults'

/** The limit's and laneway's. */
export const OWN_CONTESTANTS: readonly Contestant[] = [...C_LOOPS, ...LANEWAYS]

export interface Wanted extends LineUp {
  /** Names of peers; their contestants take part. */
  readonly peers: readonly string[]
  /** Ids of contestants, whosesoever; instead of those that the line-up and `peers` name. */
  readonly only?: readonly string[] | undefined
}

export interface Entrants {
  /** In the order of the tables. */
  readonly contestants: readonly Contestant[]
  readonly absent: readonly Absent[]
}

export const ALL_IDS: readonly string[] = [...OWN_CONTESTANTS.map(({ id }) => id), ...PEERS.flatMap(({ ids }) => ids)]
export const PEER_NAMES: readonly string[] = PEERS.map(({ name }) => name)

function checkNames(names: readonly string[], known: readonly string[], what: string): void {
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`no ${what} "${unknown}"; there are: ${known.join(', ') || 'none'}`)
}

/** @throws Error where one was named that cannot take part: its row would be missing without a word */
function checkAble(contestants: readonly Contestant[], work: Work['kind']): void {
  const able = ableTo(contestants, work)
  const unable = contestants.find((contestant) => !able.includes(contestant))
  if (unable === undefined) return
  const others = ableTo(OWN_CONTESTANTS, work).map(({ id }) => id)
  throw new Error(
    `contestant "${unable.id}" takes no part where the work of handlers is "${work}"; ` +
      `of the limit and laneway there are: ${others.join(', ')}`,
  )
}

/**
 * Installs the peers that are wanted and not installed yet.
 *
 * @throws Error for a name or an id that is none, and for one in `only` that is not made for the work
 */
export async function gatherEntrants(
  { own, peers, ways, hasDefaults = false, only, work }: Wanted,
  say: (line: string) => void,
): Promise<Entrants> {
  checkNames(peers, PEER_NAMES, 'peer')
  checkNames(only ?? [], ALL_IDS, 'contestant')
  const ownIds = only ?? own
  const contestants = OWN_CONTESTANTS.filter(({ id }) => ownIds.includes(id))
  const absent: Absent[] = []
  for (const { name, ids, prepare } of PEERS) {
    const usual = hasDefaults ? ids : ids.filter((id) => !id.endsWith(DEFAULTS_SUFFIX))
    const able = ways === undefined ? usual : ids.filter((id) => ways.includes(id))
    const wanted = only === undefined ? (peers.includes(name) ? able : []) : ids.filter((id) => only.includes(id))
    if (wanted.length === 0) continue
    try {
      contestants.push(...(await prepare(say)).filter(({ id }) => wanted.includes(id)))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      say(`NOT MEASURED: ${name}: ${reason}`)
      absent.push({ label: name, reason })
    }
  }
  if (only !== undefined) checkAble(contestants, work)
  return { contestants: ableTo(contestants, work), absent }
}
