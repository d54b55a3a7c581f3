/** The order of rounds is fair, and a median is a median. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { balancedOrder, lowerQuartile, median, percentiles, spread } from './statistics.js'

function tally(pairs: readonly string[]): number[] {
  const counts = new Map<string, number>()
  for (const pair of pairs) counts.set(pair, (counts.get(pair) ?? 0) + 1)
  return [...counts.values()]
}

for (const count of [2, 3, 5, 6]) {
  test(`everyone of ${count} takes every place, and follows everyone else, equally often`, () => {
    const items = Array.from({ length: count }, (_, index) => `c${index}`)
    const rounds = count % 2 === 0 ? count : 2 * count
    const orders = Array.from({ length: rounds }, (_, round) => balancedOrder(items, round))
    for (const order of orders) assert.equal(order.toSorted(), items)
    const places = tally(orders.flatMap((order) => order.map((item, place) => `${item} at ${place}`)))
    assert.equal(places, new Array(count * count).fill(rounds / count))
    const follows = tally(orders.flatMap((order) => order.slice(1).map((item, place) => `${order[place]} ${item}`)))
    assert.equal(follows, new Array(count * (count - 1)).fill(rounds / count))
  })
}

test('the median of an even number of values is the mean of the middle two', () => {
  assert.is(median([4, 1, 3, 2]), 2.5)
  assert.is(median([30, 10, 20]), 20)
  assert.ok(Number.isNaN(median([])))
})

test('a quarter of the values is at most as high as the lower quartile', () => {
  assert.is(lowerQuartile([8, 1, 7, 2, 6, 3, 5, 4]), 2)
  assert.is(lowerQuartile(Array.from({ length: 15 }, (_, index) => index + 1)), 4)
  assert.is(lowerQuartile([7]), 7)
  assert.ok(Number.isNaN(lowerQuartile([])))
})

test('nothing has no spread', () => {
  assert.is(spread([]), undefined)
  assert.equal(spread([2, 1, 9]), { min: 1, median: 2, max: 9 })
})

test('a percentile is the smallest value that so many are not above', () => {
  const values = Array.from({ length: 1000 }, (_, index) => 1000 - index)
  assert.equal(percentiles(values), { p50: 500, p90: 900, p99: 990, 'p99.9': 999, max: 1000 })
  assert.equal(percentiles([7]), { p50: 7, p90: 7, p99: 7, 'p99.9': 7, max: 7 })
  assert.ok(Number.isNaN(percentiles([]).max))
})

test.run()
