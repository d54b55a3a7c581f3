/**
 * The checker is checked: good ledgers keep every promise, and each planted fault is found under the name of the promise
 * that it breaks, and under no other. What is allowed is told right beside what is not, so that an excuse that is too
 * wide fails here.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Checker, type Property, type Verdict } from './checker.js'
import { Story } from './story.js'

const TIMING = { sessionTimeoutMs: 3_000, rebalanceTimeoutMs: 2_500, learningMs: 5_000, eventMs: 500 }

function check(story: Story): Verdict {
  return new Checker(story.ledgers, TIMING).check()
}

function broken(verdict: Verdict): string[] {
  return Object.entries(verdict.broken).flatMap(([property, times]) => (times > 0 ? [property] : []))
}

function holds(what: string, story: () => Story, look: (verdict: Verdict) => void = () => undefined): void {
  test(`holds: ${what}`, () => {
    const verdict = check(story())
    assert.equal(broken(verdict), [], verdict.violations.map((each) => each.what).join('\n'))
    look(verdict)
  })
}

function breaks(property: Property, what: string, story: () => Story): void {
  test(`${property}: ${what}`, () => {
    assert.equal(broken(check(story())), [property])
  })
}

/** Four messages of the keys a, b, a and none; one member handles them and leaves. */
const KEYS = ['a', 'b', 'a', null]

/** `one` has the partition from 10 ms on. */
const begun = (keys: readonly (string | null)[] = KEYS) => new Story(keys).assigned(10, 'one', 1)

/** Handles everything from here on as `member`, and ends well. */
function finish(story: Story, member: string, at: number, { epoch = 1, from = 0, count = KEYS.length } = {}): Story {
  for (let offset = from; offset < count; offset += 1) {
    story.run({ member, epoch, offset, from: at + 10 * offset, to: at + 10 * offset + 5 })
  }
  const end = at + 10 * count
  return story
    .committed(end, member, count)
    .revoked(end + 10, member)
    .closed(end + 5, member, { exitedAt: end + 20 })
    .observed(end + 30, count)
    .drained(end + 40, count)
}

/** `one` hands over to `two` at 1,000 ms, and has completed offset 0, and committed it. */
const handedOver = () =>
  begun()
    .run({ member: 'one', offset: 0, from: 20, to: 30 })
    .committed(200, 'one', 1)
    .revoked(990, 'one')
    .assigned(1000, 'two', 1, 1)
const oneLeaves = (story: Story) => story.closed(9_000, 'one')

// --- What is good ------------------------------------------------------------------------------------------------------

holds(
  'one member, in order',
  () => finish(begun(), 'one', 20),
  ({ produced, completed, runs, duplicates }) => {
    assert.equal({ produced, completed, runs, duplicates }, { produced: 4, completed: 4, runs: 4, duplicates: {} })
  },
)

holds('another key and a message without one pass a slow one', () =>
  finish(
    begun().run({ member: 'one', offset: 0, from: 20, to: 400 }).run({ member: 'one', offset: 1, from: 21, to: 30 }),
    'one',
    500,
    { from: 2 },
  ),
)

holds(
  'a failed attempt runs again',
  () => finish(begun().run({ member: 'one', offset: 0, from: 20, to: 25, fails: true }), 'one', 30),
  ({ failures }) => assert.is(failures, 1),
)

holds('a partition moves in order', () => oneLeaves(finish(handedOver(), 'two', 1010, { from: 1 })))

holds('a partition that was given up again at once, noted a little after the next owner got it', () =>
  oneLeaves(finish(new Story(KEYS).assigned(10, 'two', 1).assigned(12, 'one', 1).revoked(15, 'one'), 'two', 20)),
)

holds('what the gap map has as settled is not run again', () => {
  const story = begun()
    .run({ member: 'one', offset: 1, from: 20, to: 30 })
    .run({ member: 'one', offset: 3, from: 21, to: 31 })
    .observed(300, 0, [
      [1, 1],
      [3, 3],
    ])
    .killed(400, 'one')
    .assigned(4_000, 'two', 1, 0)
    .run({ member: 'two', offset: 0, from: 4_010, to: 4_020 })
  return finish(story.run({ member: 'two', offset: 2, from: 4_030, to: 4_040 }), 'two', 4_100, { from: 4 })
})

// --- Loss --------------------------------------------------------------------------------------------------------------

breaks('no loss', 'a message that nobody handled, though it was committed as if', () => {
  const story = begun().run({ member: 'one', offset: 0, from: 20, to: 30 })
  return story
    .run({ member: 'one', offset: 1, from: 20, to: 30 })
    .run({ member: 'one', offset: 2, from: 31, to: 35 })
    .closed(60, 'one')
    .drained(100, 4)
})

breaks('drained', 'the group stays behind the end', () => {
  return finish(begun(), 'one', 20).drained(70_000, 3)
})

test('the longest stall counts what was never completed, until the driver gave up', () => {
  const story = begun().run({ member: 'one', offset: 0, from: 20, to: 1_000 }).closed(60_900, 'one')
  assert.is(check(story.drained(61_000, 1)).longestStallMs, 60_000)
})

breaks('drained', 'the driver gave up before it saw the end', () => {
  const story = begun()
  for (const offset of [0, 1, 2, 3]) story.run({ member: 'one', offset, from: 20 + offset * 10, to: 25 + offset * 10 })
  return story.closed(60, 'one')
})

breaks('drained', 'the log does not hold what was produced', () => finish(begun(), 'one', 20).drained(200, 3, 3))

breaks('as produced', 'another key', () =>
  finish(begun().run({ member: 'one', offset: 0, from: 15, to: 18, key: 'x' }), 'one', 20, { from: 1 }),
)
breaks('as produced', 'another value', () =>
  finish(begun().run({ member: 'one', offset: 0, from: 15, to: 18, value: '7' }), 'one', 20, { from: 1 }),
)

// --- Order -------------------------------------------------------------------------------------------------------------

breaks('no inversion', 'a later message of the key first', () =>
  finish(
    begun().run({ member: 'one', offset: 2, from: 20, to: 30 }).run({ member: 'one', offset: 0, from: 40, to: 50 }),
    'one',
    60,
    { from: 3 },
  ).run({ member: 'one', offset: 1, from: 55, to: 58 }),
)

breaks('no inversion', 'a later message passes one that failed and waits for its retry', () => {
  const story = begun()
    .run({ member: 'one', offset: 0, from: 20, to: 30, fails: true })
    .run({ member: 'one', offset: 2, from: 40, to: 50 })
    .run({ member: 'one', offset: 0, from: 60, to: 70, attempt: 2 })
    .run({ member: 'one', offset: 1, from: 80, to: 85 })
  return finish(story, 'one', 90, { from: 3 })
})

breaks('no inversion', 'a new owner relies on what a fenced process completed', () => {
  const story = begun()
    .run({ member: 'one', offset: 0, from: 20, to: 6_500 })
    .fault('long-stop', 'one', 100, 6_400)
    .assigned(4_000, 'two', 1, -1)
    .revoked(6_600, 'one', 'lost')
    .run({ member: 'two', offset: 1, from: 4_010, to: 4_020 })
    .run({ member: 'two', offset: 2, from: 6_700, to: 6_800 })
  return oneLeaves(finish(story, 'two', 7_000, { from: 3 }))
})

breaks('no overlap', 'two messages of a key at once', () => {
  const story = begun()
    .run({ member: 'one', offset: 0, from: 20, to: 50 })
    .run({ member: 'one', offset: 2, from: 30, to: 70 })
    .run({ member: 'one', offset: 1, from: 80, to: 85 })
  const verdict = check(finish(story, 'one', 90, { from: 3 }))
  // It is an inversion, too: the earlier one is not settled yet. Here it is looked at alone.
  assert.is(verdict.broken['no inversion'], 1)
  return finish(
    begun(['a', 'b'])
      .run({ member: 'one', offset: 0, from: 20, to: 50, fails: true })
      .run({ member: 'one', offset: 0, from: 30, to: 60 }),
    'one',
    70,
    { from: 1, count: 2 },
  )
})

breaks('no overlap', 'a message without a key runs twice at once', () =>
  finish(
    begun()
      .run({ member: 'one', offset: 3, from: 20, to: 50, fails: true })
      .run({ member: 'one', offset: 3, from: 30, to: 60 }),
    'one',
    70,
    { count: 3 },
  ).drained(200, 4),
)

// --- Fences ------------------------------------------------------------------------------------------------------------

/** `one` runs offset 0 when `two`, which was assigned the partition at 4,000 ms, starts it, too. */
function zombie(story: Story): Story {
  story.run({ member: 'one', offset: 0, from: 20, to: 6_500 }).assigned(4_000, 'two', 1, -1)
  return oneLeaves(finish(story, 'two', 4_010))
}

holds(
  'a handler of a process that was stopped beyond the session is fenced, not overlapping',
  () => zombie(begun().fault('long-stop', 'one', 100, 6_400).revoked(6_600, 'one', 'lost')),
  ({ duplicates, lostEpochs }) => assert.equal({ duplicates, lostEpochs }, { duplicates: { lost: 1 }, lostEpochs: 1 }),
)
holds('the same, of a process that was cut off', () =>
  zombie(begun().fault('cut', 'one', 100, 6_400).revoked(6_600, 'one', 'lost')),
)
holds('the same, of a process that was killed before it could learn of it', () =>
  zombie(begun().fault('long-stop', 'one', 100, 6_400)).killed(6_450, 'one'),
)

/** The handler of `one` and what `two` does meet, and nothing explains it. */
for (const [what, story] of [
  ['nothing had disturbed the first owner', () => begun().revoked(6_600, 'one')],
  ['the first owner was stopped too briefly', () => begun().fault('short-stop', 'one', 100, 900).revoked(6_600, 'one')],
  ['another process was stopped', () => begun().fault('long-stop', 'two', 100, 3_900).revoked(6_600, 'one')],
  ['the first owner was only delayed', () => begun().fault('delay', 'one', 100, 6_400).revoked(6_600, 'one')],
] as const) {
  test(`no overlap: live epochs of two members, when ${what}`, () => {
    const verdict = check(zombie(story()))
    assert.ok(verdict.broken['no overlap'] > 0)
  })
}

breaks('no overlap', 'a kill that comes long after does not excuse what happened before', () => {
  const story = begun().run({ member: 'one', offset: 0, from: 20, to: 4_500 }).assigned(4_000, 'two', 1, -1)
  const twice = check(finish(story, 'two', 4_010).killed(30_000, 'one'))
  assert.ok(twice.broken['duplicates explained'] > 0)
  return finish(begun().run({ member: 'one', offset: 0, from: 20 }).assigned(4_000, 'two', 1, -1), 'two', 4_010).killed(
    30_000,
    'one',
  )
})

/** `one` starts offset 1 at `from`, after `two` was assigned the partition at 4,000 ms. */
function lateStart(story: Story, from: number): Story {
  story.assigned(4_000, 'two', 1, -1).run({ member: 'one', offset: 3, from, to: from + 2, fails: true })
  return oneLeaves(finish(story, 'two', 4_010))
}

holds('a process that goes on may start what it holds until it learns of its loss', () =>
  lateStart(begun().fault('long-stop', 'one', 100, 6_400).revoked(6_600, 'one', 'lost'), 6_410),
)
breaks('knows its losses', 'a start after the process was told that the partition is lost', () =>
  lateStart(begun().fault('long-stop', 'one', 100, 6_400).revoked(6_600, 'one', 'lost'), 6_610),
)
breaks('knows its losses', 'a start after a revoke in order', () => {
  const story = handedOver().run({ member: 'one', offset: 3, from: 1_005, to: 1_006, fails: true })
  return oneLeaves(finish(story, 'two', 1010, { from: 1 }))
})
test('knows its losses: a process that goes on never learns of its loss', () => {
  const story = begun().fault('long-stop', 'one', 100, 6_400).revoked(20_000, 'one', 'lost')
  assert.is(check(lateStart(story, 15_000)).broken['knows its losses'], 1)
})
breaks('knows its losses', 'a start in an epoch that was never assigned', () =>
  finish(begun().run({ member: 'one', epoch: 7, offset: 0, from: 15, to: 16 }), 'one', 20),
)

breaks('losses explained', 'a partition is lost, and nothing had silenced its member', () =>
  finish(begun().revoked(15, 'one', 'lost').fault('short-stop', 'one', 11, 14).assigned(16, 'one', 2), 'one', 20, {
    epoch: 2,
  }),
)

const timedOut = (story: Story) =>
  finish(story.timedOut(3_020, 'one', 3_005).revoked(3_030, 'one', 'lost').assigned(3_040, 'one', 2), 'one', 3_050, {
    epoch: 2,
  })
holds('a member has no answer for a session, the last part of it because it is cut off', () =>
  timedOut(begun().fault('cut', 'one', 2_000, 3_010)),
)
breaks('losses explained', 'a member has no answer for a session, and nothing had disturbed it', () =>
  timedOut(begun()),
)

const refusedCommit = (story: Story) =>
  finish(story.warned(15, 'one', 'MEMBERSHIP_LOST').revoked(15, 'one', 'lost').assigned(16, 'one', 2), 'one', 20, {
    epoch: 2,
  })
holds('a commit that was cut off is refused after a rebalance, and takes the partitions with it', () =>
  refusedCommit(begun().fault('short-stop', 'one', 11, 14)),
)
breaks('losses explained', 'a commit is refused, and nothing had disturbed its member', () => refusedCommit(begun()))

// --- Duplicates --------------------------------------------------------------------------------------------------------

holds(
  'a crash repeats what was not committed',
  () =>
    finish(
      begun().run({ member: 'one', offset: 0, from: 20, to: 30 }).killed(50, 'one').assigned(4_000, 'two', 1, -1),
      'two',
      4_010,
    ),
  ({ duplicates }) => assert.equal(duplicates, { crash: 1 }),
)
breaks('duplicates explained', 'a message is completed twice in one epoch', () =>
  finish(begun().run({ member: 'one', offset: 3, from: 15, to: 16 }), 'one', 20),
)
breaks(
  'duplicates explained',
  'a partition moves in order, and its last settlement with it, but it comes again',
  () => {
    const story = begun().run({ member: 'one', offset: 0, from: 20, to: 30 }).revoked(990, 'one')
    return oneLeaves(finish(story.assigned(1000, 'two', 1, -1), 'two', 1010))
  },
)
holds(
  'the same, where the last commit was refused',
  () => {
    const story = begun().run({ member: 'one', offset: 0, from: 20, to: 30 }).warned(985, 'one', 'COMMIT_FAILED')
    return oneLeaves(finish(story.revoked(990, 'one').assigned(1000, 'two', 1, -1), 'two', 1010))
  },
  ({ duplicates }) => assert.equal(duplicates, { 'commit failed': 1 }),
)
holds('the same, where the broker was away', () => {
  const story = begun().run({ member: 'one', offset: 0, from: 20, to: 30 }).fault('broker-restart', null, 40, 980)
  return oneLeaves(finish(story.revoked(990, 'one').assigned(1000, 'two', 1, -1), 'two', 1010))
})
breaks('duplicates explained', 'the crash of another process excuses nothing', () => {
  const story = begun().run({ member: 'one', offset: 0, from: 20, to: 30 }).revoked(990, 'one').killed(500, 'three')
  return oneLeaves(
    finish(story.assigned(5, 'three', 1, -1).revoked(9, 'three').assigned(1000, 'two', 1, -1), 'two', 1010),
  )
})

breaks('nothing committed again', 'what lies below the offset that the new owner read', () =>
  finish(
    begun()
      .run({ member: 'one', offset: 0, from: 20, to: 30 })
      .committed(35, 'one', 1)
      .killed(50, 'one')
      .assigned(4_000, 'two', 1, 1),
    'two',
    4_010,
  ),
)
breaks('nothing committed again', 'what a gap map had as settled before the new owner was assigned', () =>
  finish(
    begun()
      .run({ member: 'one', offset: 1, from: 20, to: 30 })
      .observed(300, 0, [[1, 1]])
      .killed(400, 'one')
      .assigned(4_000, 'two', 1, 0),
    'two',
    4_010,
  ),
)
holds('the same, where the new owner could not read what was committed, and said so', () =>
  finish(
    begun()
      .run({ member: 'one', offset: 1, from: 20, to: 30 })
      .observed(300, 0, [[1, 1]])
      .killed(400, 'one')
      .warned(3_999, 'two', 'TIMED_OUT')
      .assigned(4_000, 'two', 1, -1),
    'two',
    4_010,
  ),
)

// --- Commits -----------------------------------------------------------------------------------------------------------

breaks('commit below unsettled', 'an offset above a message that still runs', () =>
  finish(begun().run({ member: 'one', offset: 0, from: 12, to: 18 }).committed(15, 'one', 1), 'one', 20, { from: 1 }),
)
breaks('commit below unsettled', 'an offset above one that failed and was not run again yet', () =>
  finish(begun().run({ member: 'one', offset: 0, from: 12, to: 14, fails: true }).committed(18, 'one', 1), 'one', 20),
)
breaks('commit below unsettled', 'the offset that is read back', () => finish(begun().observed(15, 1), 'one', 20))
breaks('commit below unsettled', 'a gap map that has a running message as settled', () =>
  finish(
    begun()
      .run({ member: 'one', offset: 1, from: 12, to: 16, fails: true })
      .observed(15, 0, [[1, 1]]),
    'one',
    20,
  ),
)
breaks('commit below unsettled', 'the offset that a new owner reads', () =>
  finish(new Story(KEYS).assigned(10, 'one', 1, 1).run({ member: 'one', offset: 0, from: 11, to: 12 }), 'one', 20, {
    from: 1,
  }),
)
breaks('commit below unsettled', 'an offset that goes back', () => {
  const story = begun().run({ member: 'one', offset: 0, from: 20, to: 30 }).committed(35, 'one', 1).killed(50, 'one')
  return finish(story.assigned(4_000, 'two', 1, 0), 'two', 4_010)
})

// --- Revokes -----------------------------------------------------------------------------------------------------------

/** `one` gives the partition up at 3,000 ms while it runs offset 0, which was taken at `taken`. */
function revokedWhileRunning(taken: number): Story {
  const story = begun().run({ member: 'one', offset: 0, from: taken, to: 4_500 }).revoked(3_000, 'one')
  return oneLeaves(finish(story.assigned(3_010, 'two', 1, -1), 'two', 3_100))
}

holds(
  'a handler that runs longer than a revoke waits is left behind',
  () => revokedWhileRunning(100),
  ({ duplicates }) => assert.equal(duplicates, { 'revoke timeout': 1 }),
)
test('waits for handlers: a revoke does not wait until its timeout', () => {
  const verdict = check(revokedWhileRunning(2_000))
  assert.is(verdict.broken['waits for handlers'], 1)
  assert.ok(verdict.broken['no overlap'] > 0)
})
for (const [mode, closingAt, isGood] of [
  ['abort', 2_999, true],
  ['drain', 400, true],
  ['drain', 2_000, false],
] as const) {
  test(`waits for handlers: close({ mode: '${mode}' }) ${3_000 - closingAt} ms before ${isGood ? 'may' : 'must not'} leave one`, () => {
    const story = begun().run({ member: 'one', offset: 0, from: 2_900 }).revoked(3_000, 'one')
    story.closed(closingAt, 'one', { mode, exitedAt: 3_050 })
    const verdict = check(finish(story.assigned(3_100, 'two', 1, -1), 'two', 3_200))
    assert.equal(broken(verdict), isGood ? [] : ['waits for handlers'])
  })
}

// --- Whether there was anything to see -----------------------------------------------------------------------------------

breaks('was a test', 'nothing was produced', () => new Story([]).closed(50, 'one').drained(100, 0, 0))
breaks('was a test', 'a fault of the schedule was not carried out', () => finish(begun().planned(1), 'one', 20))
holds('every fault of the schedule was carried out', () =>
  finish(begun().planned(1).fault('delay', 'one', 12, 15), 'one', 20),
)

// --- Ends --------------------------------------------------------------------------------------------------------------

breaks('no end by itself', 'run() rejects', () =>
  finish(
    begun().assigned(1, 'two', 9).revoked(2, 'two').rejected(3, 'two', 'INTERNAL').exited(4, 'two', 1, null),
    'one',
    20,
  ),
)
breaks('no end by itself', 'a process crashes without a fault', () =>
  finish(begun().assigned(1, 'two', 9).revoked(2, 'two').exited(4, 'two', null, 'SIGSEGV'), 'one', 20),
)
breaks('no end by itself', 'a close that hangs until the driver kills it', () =>
  finish(
    begun()
      .assigned(1, 'two', 9)
      .revoked(2, 'two')
      .closed(3, 'two', { exitedAt: 30_003 })
      .exited(30_003, 'two', null, 'SIGKILL'),
    'one',
    20,
  ),
)

test.run()
