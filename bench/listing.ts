/** What `npm run bench` without arguments says. */
import { ALL_PURPOSE } from './all/command.js'
import { OWN_CONTESTANTS } from './contestants/entrants.js'
import { MICRO_QUESTION } from './micro/command.js'
import { PEERS } from './peers/index.js'
import type { Scenario } from './scenarios/scenario.js'

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`.trimEnd())
}

export function listing(scenarios: readonly Scenario[]): string {
  const peers = PEERS.flatMap(({ name, ids }) => ids.map((id, index) => [index === 0 ? name : '', id] as const))
  return [
    'npm run bench -- SCENARIO [options]; --help after a scenario shows its options',
    '',
    'Scenarios',
    ...columns([
      ...scenarios.map(({ id, question }) => [id, question] as const),
      ['micro', MICRO_QUESTION],
      ['all', ALL_PURPOSE],
    ]),
    '',
    'The limit and laneway (--only ID,ID picks contestants)',
    ...columns(OWN_CONTESTANTS.map(({ id, label }) => [id, label])),
    '',
    'Peers (--peers NAME,NAME picks peers, --peers none leaves them out) and their contestants',
    ...columns(peers),
    '',
  ].join('\n')
}
