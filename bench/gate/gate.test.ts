/** The gate on rounds that are made up: it sees a slow-down of a fifth through noise, and nothing where there is none. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../chaos/random.js'
import type { Ratios } from './baselines.js'
import { type Effort, type Group, runGate } from './gate.js'
import { judge, newBaselines } from './judge.js'
import { conclusion, formatOutcome, resultOf } from './outcome-table.js'

const BASELINES = { sync: { speed: 0.9, cpu: 0.7 }, async: { speed: 0.8, cpu: 0.6 } }
const EFFORT: Effort = { least: 5, most: 15 }
const GATES = 300
const silent = (): void => undefined

/** CPU is steadier than time; and in one round of ten something else has the machine while laneway runs. */
function noisyGroup(random: Random, remaining: number): Group {
  const noise = (spread: number): number => 1 + spread * (random.next() + random.next() + random.next() - 1.5)
  const ratiosOf = ({ speed, cpu }: { speed: number; cpu: number }): Ratios => {
    const disturbance = random.next() < 0.1 ? 0.6 : 1
    return { speed: speed * remaining * noise(0.2) * disturbance, cpu: cpu * remaining * noise(0.08) }
  }
  return {
    title: 'noisy',
    measure: async () => ({
      ratios: new Map(Object.entries(BASELINES).map(([id, ratios]) => [id, ratiosOf(ratios)])),
      faults: [],
    }),
  }
}

async function goodGates(remaining: number): Promise<number> {
  let good = 0
  for (let seed = 0; seed < GATES; seed += 1) {
    const group = noisyGroup(new Random('gate', seed), remaining)
    if (resultOf(await runGate([group], BASELINES, EFFORT, silent)) === 'passed') good += 1
  }
  return good
}

function steadyGroup(
  ratios: (round: number) => Ratios,
  faults: (round: number) => string[] = () => [],
  othersShare: (round: number) => number | undefined = () => undefined,
) {
  const rounds: number[] = []
  const group: Group = {
    title: 'steady',
    measure: async (round) => {
      rounds.push(round)
      return { ratios: new Map([['sync', ratios(round)]]), faults: faults(round), othersShare: othersShare(round) }
    },
  }
  return { group, rounds }
}

test('noise alone never fails the gate', async () => {
  assert.is(await goodGates(1), GATES)
})

test('a fifth of the speed gone always fails it', async () => {
  assert.is(await goodGates(0.8), 0)
})

test('what seems to have fallen gets more rounds, and no more than it needs', async () => {
  // Slow in the first four rounds: the median has recovered after nine.
  const { group, rounds } = steadyGroup((round) => ({ speed: round <= 4 ? 0.5 : 0.9, cpu: 0.7 }))
  const outcome = await runGate([group], BASELINES, EFFORT, silent)
  assert.is(resultOf(outcome), 'passed')
  assert.is(rounds.length, 9)
})

test('what stays fallen fails after all rounds, and the table says by how much', async () => {
  const { group, rounds } = steadyGroup(() => ({ speed: 0.9, cpu: 0.56 }))
  const outcome = await runGate([group], BASELINES, EFFORT, silent)
  assert.equal(
    outcome.verdicts.map(({ verdict }) => verdict),
    ['held', 'fallen'],
  )
  assert.is(rounds.length, EFFORT.most)
  const table = formatOutcome(outcome)
  assert.match(table, /CPU per message +0\.700 +0\.560 \(0\.560 - 0\.560\) +-20\.0 % +15 +fallen/)
  assert.is(conclusion(outcome), 'failed: 1 ratio is more than 15 % below its baseline')
})

test('a loss, a repetition or a broken order fails at once, however fast it was', async () => {
  const { group, rounds } = steadyGroup(
    () => ({ speed: 2, cpu: 2 }),
    (round) => (round === 2 ? ['laneway-key wrong: 1 lost'] : []),
  )
  const outcome = await runGate([group], BASELINES, EFFORT, silent)
  assert.is(resultOf(outcome), 'failed')
  assert.is(rounds.length, 2)
  assert.match(formatOutcome(outcome), 'FAULT: steady: laneway-key wrong: 1 lost')
})

test('a round in which others had the machine does not count', async () => {
  const { group, rounds } = steadyGroup(
    (round) => ({ speed: round % 2 === 0 ? 0.5 : 0.9 }),
    () => [],
    (round) => (round % 2 === 0 ? 0.5 : 0.05),
  )
  const outcome = await runGate([group], BASELINES, EFFORT, silent)
  assert.is(resultOf(outcome), 'passed')
  assert.equal(rounds, [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('where others have the machine all the time nothing is decided, and nothing more is measured', async () => {
  const busy = steadyGroup(
    () => ({ speed: 0.1 }),
    () => [],
    () => 0.5,
  )
  const next = steadyGroup(() => ({ speed: 0.9 }))
  const outcome = await runGate([busy.group, next.group], BASELINES, EFFORT, silent)
  assert.is(resultOf(outcome), 'undecided')
  assert.is(busy.rounds.length, 5)
  assert.is(next.rounds.length, 0)
  assert.match(formatOutcome(outcome), 'UNDECIDED: steady: others have the machine')
})

test('a new baseline is the lower quartile of its rounds', () => {
  const rounds = [0.9, 0.6, 0.8, 0.7].map((speed) => new Map([['case', { speed }]]))
  assert.equal(newBaselines(judge(rounds, {})), new Map([['case', { speed: 0.6 }]]))
})

test('a case without a baseline does not pass', async () => {
  const { group } = steadyGroup(() => ({ speed: 0.9 }))
  const outcome = await runGate([group], {}, EFFORT, silent)
  assert.is(resultOf(outcome), 'failed')
  assert.match(conclusion(outcome), '--update-baseline --reason')
})

test('a gate that has measured nothing does not pass', async () => {
  assert.is(resultOf(await runGate([], BASELINES, EFFORT, silent)), 'failed')
})

test.run()
