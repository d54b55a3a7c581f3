/** The list names every scenario and everyone who can take part. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ALL_IDS, PEER_NAMES } from './contestants/entrants.js'
import { listing } from './listing.js'
import { SCENARIOS } from './scenarios/index.js'

test('every scenario, contestant and peer is listed', () => {
  const words = new Set(listing(SCENARIOS).split(/\s+/))
  const names = [...SCENARIOS.map(({ id }) => id), ...ALL_IDS, ...PEER_NAMES]
  assert.equal(
    names.filter((name) => !words.has(name)),
    [],
  )
})

test('a name stands for one', () => {
  assert.is(new Set(ALL_IDS).size, ALL_IDS.length)
  assert.is(new Set(PEER_NAMES).size, PEER_NAMES.length)
  assert.is(new Set(SCENARIOS.map(({ id }) => id)).size, SCENARIOS.length)
})

test("a scenario's own contestants are some", () => {
  for (const { id, lineUp } of SCENARIOS) {
    assert.equal(
      [...(lineUp?.own ?? []), ...(lineUp?.ways ?? [])].filter((name) => !ALL_IDS.includes(name)),
      [],
      id,
    )
  }
})

test.run()
