/** The contract suite finds what it is there for: an engine with one flaw fails, one without it passes. */
import { LanewayError } from 'laneway'
import { type ContractCase, engineContract } from 'laneway/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { play } from '../contract/run-contract.js'
import { type Flaw, flawedEngine } from './flawed-engine.js'

const MESSAGES = 3_000
/** What waits for an end that never comes is to be found soon. */
const DEADLINE_MS = 10_000
/** Some flaws are races, or a busy machine breaks something else first: one shows within so many tries. */
const TRIES = 4
/** What uvu takes to write its summary. */
const SUMMARY_MS = 1_000

const test = suite('the engine contract can fail')

function caseOf(flaw: Flaw, wanted: RegExp): ContractCase {
  const cases = engineContract({ createEngine: () => flawedEngine(flaw), messages: MESSAGES, deadline: DEADLINE_MS })
  const found = cases.find(({ name }) => wanted.test(name))
  if (found === undefined) throw new Error(`no case is called ${wanted}`)
  return found
}

async function violationOf({ run }: ContractCase): Promise<string> {
  try {
    await run()
  } catch (error) {
    if (LanewayError.is(error) && error.code === 'CONTRACT_BROKEN') return error.message
    throw error
  }
  return 'none'
}

/** The flaw, a case that must fail for it, and what that is to say. */
const findings: readonly (readonly [Flaw, RegExp, RegExp])[] = [
  ['runs a lane at once', /one at a time, in their order/, /started while .* ran/],
  ['runs a lane at once', /with random failures/, /one after the other/],
  ['settles before the handler ends', /one at a time, in their order/, /started while .* ran/],
  ['settles before the handler ends', /no more lanes are run at once/, /one after the other|at most 3 lanes/],
  ['settles what has failed', /a failed attempt is repeated/, /followed by another one/],
  ['settles what has failed', /attempts are used up/, /run\(\) ends|RETRIES_EXHAUSTED/],
  ['settles what has failed', /decides to end the consumer/, /run\(\) ends|FATAL_HANDLER/],
  ['settles what has failed', /output without transactions/, /both attempts fail/],
  ['forgets what has failed', /an asynchronous handler that fails/, /the end of the log committed/],
  ['forgets the attempt', /a failed attempt is repeated/, /one after the other|the end of the log committed/],
  ['keeps the error to itself', /the policy gets the error/, /the error is the handler’s/],
  ['keeps the error to itself', /decides to drop/, /each message runs once|run\(\) has ended before/],
  ['ignores drain', /a drain lets running handlers end/, /starts nothing more/],
  ['does not wait in drain', /a drain lets running handlers end/, /what runs may end/],
  ['never stops', /every message is handled once/, /close\(\) resolves/],
  ['fires no signal', /an abort fires the signals/, /the signal of every handler fires/],
  ['fires no signal', /longer than its deadline/, /the signal of the handler fires/],
  ['fires no signal', /gets its signal/, /the end of the log committed/],
  ['fails at the timeout, not at the end', /does not listen to its signal/, /started while .* ran/],
  ['ignores fences', /another member has taken over/, /nothing starts of a partition that is gone/],
  ['loses headers', /binary content and headers/, /gets what was produced/],
  ['empties tombstones', /binary content and headers/, /gets what was produced/],
  ['cuts large values', /messages of 1 MiB/, /gets what was produced/],
]
for (const [flaw, wanted, evidence] of findings) {
  const flawed = caseOf(flaw, wanted)
  test(`an engine that ${flaw} fails "${flawed.name}"`, async () => {
    const seen: string[] = []
    while (seen.length < TRIES && !seen.some((violation) => evidence.test(violation))) {
      seen.push(await violationOf(flawed))
    }
    assert.ok(
      seen.some((violation) => evidence.test(violation)),
      seen.join('\n'),
    )
  })
}

for (const each of engineContract({ createEngine: () => flawedEngine(), messages: MESSAGES })) {
  test(`an engine without a flaw passes "${each.name}"`, () => play(each))
}

// Some flawed engines never let go of their consumers, which keep the process alive.
test.after(() => {
  setTimeout(() => process.exit(), SUMMARY_MS)
})

test.run()
