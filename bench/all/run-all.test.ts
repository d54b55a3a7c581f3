/** All scenarios are measured, whatever becomes of one, and it is said how long the rest takes. */

import { Command } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SCENARIOS } from '../scenarios/index.js'
import { type BriefScenario, type Outcome, runAll } from './run-all.js'

const MINUTE_MS = 60_000

const brief = (id: string, minutes: number): BriefScenario => ({ id, brief: { options: [], minutes } })

/** Each takes twice as long as expected. */
async function run(outcomes: Readonly<Record<string, Outcome>>) {
  const said: string[] = []
  let now = 0
  const scenarios = [brief('one', 1), brief('two', 2), brief('three', 3)]
  const summary = await runAll(scenarios, {
    measure: async ({ id, brief: { minutes } }) => {
      now += 2 * minutes * MINUTE_MS
      return outcomes[id] ?? { isGood: true, text: `${id} is fast` }
    },
    now: () => now,
    say: (line) => said.push(line),
  })
  return { ...summary, said }
}

test('what is left is estimated from how long the others took', async () => {
  const { said } = await run({})
  assert.equal(said, [
    '== one, 1 of 3; 0.0 min so far, about 6.0 min to go',
    '== two, 2 of 3; 2.0 min so far, about 10.0 min to go',
    '== three, 3 of 3; 6.0 min so far, about 6.0 min to go',
  ])
})

test('one that fails stops none of the others, and is in the summary', async () => {
  const { isGood, lines, said } = await run({ two: { isGood: false, text: 'FAILED' } })
  assert.is(said.length, 3)
  assert.is(isGood, false)
  assert.match(lines[2] ?? '', /^two +4\.0 min +2\.0 min +FAILED$/)
  assert.match(lines[3] ?? '', /^three .*three is fast$/)
  assert.match(lines[4] ?? '', /^all +12\.0 min +6\.0 min$/)
})

test('where all are good the whole is', async () => {
  assert.is((await run({})).isGood, true)
})

test("a scenario's options for a brief measurement are options that it has", () => {
  for (const scenario of SCENARIOS) {
    const command = new Command(scenario.id).exitOverride().option('--runs <n>')
    scenario.configure(command)
    command.parse([...(scenario.brief?.options ?? [])], { from: 'user' })
    assert.is(command.args.length, 0, scenario.id)
  }
})

test.run()
