/**
 * `laneway group skip|seek|reset` as far as no group is needed: what is refused before anything starts. What they do to a
 * group is shown on a real broker, in test/integration/60.operators.test.ts: the embedded one does not describe groups.
 */
import { MockBroker } from 'laneway/testing'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { laneway, onlyDocument } from './laneway.js'

const WHERE = ['--brokers', '127.0.0.1:1', '--group', 'g']
const PARTITION = ['--topic', 't', '--partition', '0']

test('the options that all group commands share stand before or after the command', async () => {
  const rest = [...PARTITION, '--offset', '5', '--timeout', '300', '--json']
  for (const args of [
    ['group', ...WHERE, 'skip', ...rest],
    ['group', 'skip', ...WHERE, ...rest],
  ]) {
    const ended = await laneway(args)
    assert.is(ended.status, 1)
    assert.match(String(Object(onlyDocument(ended)['error']).code), /^(BROKER_UNREACHABLE|TIMED_OUT)$/)
  }
})

test('a help names the shared options too, and that nothing changes without --yes', async () => {
  for (const command of ['skip', 'seek', 'reset']) {
    const { status, stdout } = await laneway(['group', command, '--help'])
    assert.is(status, 0)
    for (const option of ['--brokers', '--group', '--yes', '--json', '--property']) assert.match(stdout, option)
    assert.match(stdout, /Shows what would\s+change; the group must have no members/)
  }
})

test('a wrong command line fails before anything starts, and says what is wrong', async () => {
  const wrong: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['skip', ...PARTITION, '--offset', '5'], /--brokers/],
    [['skip', ...WHERE, ...PARTITION], /--offset/],
    [['skip', ...WHERE, '--topic', 't', '--offset', '5'], /--partition/],
    [['skip', ...WHERE, '--partition', '0', '--offset', '5'], /--topic/],
    [['skip', ...WHERE, ...PARTITION, '--offset', '-1'], /--offset.*whole number from 0/],
    [['skip', ...WHERE, ...PARTITION, '--offset', '1', '--offset', '1.5'], /--offset.*whole number/],
    [['skip', ...WHERE, ...PARTITION, '--offset', '9007199254740993'], /--offset.*whole number/],
    [['skip', ...WHERE, ...PARTITION, '--offset', 'earliest'], /--offset.*whole number/],
    [['skip', ...WHERE, '--topic', 't', '--partition', '-1', '--offset', '5'], /--partition.*whole number/],
    [['seek', ...WHERE, ...PARTITION, '--offset', 'first'], /--offset.*earliest or latest/],
    [['seek', ...WHERE, ...PARTITION], /--offset/],
    [['reset', ...WHERE], /--to/],
    [['reset', ...WHERE, '--to', '5'], /--to.*earliest, latest or a time/],
    [['reset', ...WHERE, '--to', '2026-01-31T12:00:00'], /--to.*zone/],
    [['reset', ...WHERE, '--to', '2026-02-31T12:00:00Z'], /--to.*time/],
    [['reset', ...WHERE, '--to', '1969-12-31T23:59:59Z'], /--to.*time/],
    [['rewind', ...WHERE], /too many arguments|unknown command/],
  ]
  for (const [args, says] of wrong) {
    const { status, stdout, stderr } = await laneway(['group', ...args])
    assert.is(status, 2, args.join(' '))
    assert.is(stdout, '')
    assert.match(stderr, says)
  }
})

test('a broker that cannot say whether the group has members gets no change', async () => {
  using broker = new MockBroker()
  broker.createTopic('t')
  const where = ['--brokers', broker.bootstrapServers, '--group', 'g', '--timeout', '2000']
  const ended = await laneway(['group', 'seek', ...where, ...PARTITION, '--offset', 'earliest', '--yes', '--json'])
  assert.is(ended.status, 1)
  const { code, message } = Object(onlyDocument(ended)['error'])
  assert.is(code, 'GROUP_PROTOCOL_MISMATCH')
  assert.match(String(message), 'describing the group')
})

test.run()
