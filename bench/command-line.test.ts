/** What is typed is read, refused where it is wrong, and kept for who wants to repeat it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { repeatable } from './command-line.js'
import { choicesOf, list, wholeNumber, wholeNumbers } from './command-options.js'
import { gatherEntrants } from './contestants/entrants.js'

test('a command line to repeat has nothing of this machine', () => {
  const args = [
    'throughput',
    '--json',
    '/here/a.json',
    '--sizes',
    '100',
    '--report=/here',
    '--brokers',
    'me:1',
    '--runs',
    '2',
  ]
  assert.is(repeatable(args), 'npm run bench -- throughput --sizes 100 --runs 2')
})

test('numbers are whole and from 1', () => {
  assert.is(wholeNumber('12'), 12)
  assert.equal(wholeNumbers('1,10'), [1, 10])
  for (const wrong of ['0', '-1', '1.5', 'x', '']) assert.throws(() => wholeNumber(wrong), /whole number/)
  assert.throws(() => wholeNumbers('1,x'), /whole number/)
})

test('choices are some of those that there are', () => {
  assert.equal(choicesOf(['a', 'b'])('b,a'), ['b', 'a'])
  assert.throws(() => choicesOf(['a', 'b'])('a,c'), /some of a,b/)
})

test('lists are separated by commas', () => {
  assert.equal(list('a,b,'), ['a', 'b'])
})

const say = (): void => undefined

test('who is wanted takes part, in the order of the tables', async () => {
  const own = ['laneway-key', 'c-loop-batch']
  const { contestants, absent } = await gatherEntrants({ own, peers: [], hasDefaults: false }, say)
  assert.equal(
    contestants.map(({ id }) => id),
    ['c-loop-batch', 'laneway-key'],
  )
  assert.equal(absent, [])
})

test('only those take part who are named', async () => {
  const only = ['laneway-unordered']
  const { contestants } = await gatherEntrants({ own: ['c-loop-batch'], peers: [], hasDefaults: true, only }, say)
  assert.equal(
    contestants.map(({ id }) => id),
    only,
  )
})

async function refusal(wanted: Parameters<typeof gatherEntrants>[0]): Promise<string> {
  try {
    await gatherEntrants(wanted, say)
  } catch (error) {
    return String(error)
  }
  return 'nobody was refused'
}

test('a name that nobody has is refused', async () => {
  assert.match(await refusal({ own: [], peers: ['nobody'], hasDefaults: false }), /no peer "nobody"/)
  assert.match(
    await refusal({ own: [], peers: [], hasDefaults: false, only: ['nobody'] }),
    /no contestant "nobody"; there are: c-loop/,
  )
})

test.run()
