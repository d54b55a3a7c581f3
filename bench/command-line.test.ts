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
  const { contestants, absent } = await gatherEntrants({ own, peers: [], work: 'none' }, say)
  assert.equal(
    contestants.map(({ id }) => id),
    ['c-loop-batch', 'laneway-key'],
  )
  assert.equal(absent, [])
})

test('only those take part who are named', async () => {
  const only = ['laneway-unordered']
  const { contestants } = await gatherEntrants({ own: ['c-loop-batch'], peers: [], only, work: 'none' }, say)
  assert.equal(
    contestants.map(({ id }) => id),
    only,
  )
})

test('who is not made for the work takes no part', async () => {
  const own = ['c-loop-batch', 'laneway-key', 'laneway-key-touch']
  const { contestants } = await gatherEntrants({ own, peers: [], work: 'wait' }, say)
  assert.equal(
    contestants.map(({ id }) => id),
    ['laneway-key'],
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
  assert.match(await refusal({ own: [], peers: ['nobody'], work: 'none' }), /no peer "nobody"/)
  assert.match(
    await refusal({ own: [], peers: [], only: ['nobody'], work: 'none' }),
    /no contestant "nobody"; there are: c-loop/,
  )
})

test('a contestant that is named and not made for the work is refused', async () => {
  const only = ['laneway-key', 'laneway-key-touch']
  assert.match(
    await refusal({ own: [], peers: [], only, work: 'touch' }),
    /"laneway-key-touch" takes no part where the work of handlers is "touch"; .*c-loop-batch.*laneway-key,/,
  )
})

test.run()
