/** Backoff: bounds that grow, and delays drawn evenly below them. */
import { exponentialBackoff, LanewayError } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Runs with Math.random() fixed. */
function withRandom<T>(value: number, work: () => T): T {
  const { random } = Math
  Math.random = () => value
  try {
    return work()
  } finally {
    Math.random = random
  }
}

const ALMOST_ONE = 1 - 2 ** -53

test('the bound of a delay doubles with every attempt, up to the maximum', () => {
  const delay = exponentialBackoff({ initial: 100, max: 1_000 })
  const bounds = withRandom(ALMOST_ONE, () => [1, 2, 3, 4, 5, 6].map((attempt) => Math.round(delay(attempt))))
  assert.equal(bounds, [100, 200, 400, 800, 1_000, 1_000])
})

test('the factor says how fast the bound grows', () => {
  const delay = exponentialBackoff({ initial: 10, max: 10_000, factor: 3 })
  assert.equal(
    withRandom(ALMOST_ONE, () => [1, 2, 3].map((attempt) => Math.round(delay(attempt)))),
    [10, 30, 90],
  )
})

test('a delay may be anything from zero to its bound: full jitter', () => {
  const delay = exponentialBackoff({ initial: 100, max: 1_000 })
  assert.is(
    withRandom(0, () => delay(4)),
    0,
  )
  assert.is(
    withRandom(0.5, () => delay(4)),
    400,
  )
})

test('a number of attempts that overflows the bound stays at the maximum', () => {
  const delay = exponentialBackoff({ initial: 100, max: 30_000 })
  assert.is(Math.round(withRandom(ALMOST_ONE, () => delay(5_000))), 30_000)
  assert.is(exponentialBackoff({ initial: 0, max: 5 })(5_000), 0)
})

test('an impossible number is refused where the policy is made, by name', () => {
  const wrong = [
    ['initial', { initial: Number.NaN, max: 1 }],
    ['max', { initial: 1, max: -1 }],
    ['factor', { initial: 1, max: 1, factor: 0.5 }],
  ] as const
  for (const [field, options] of wrong) {
    try {
      exponentialBackoff(options)
      assert.unreachable(field)
    } catch (error) {
      assert.ok(LanewayError.is(error), String(error))
      assert.equal(
        error.issues.map((issue) => issue.field),
        [field],
      )
    }
  }
})

test.run()
