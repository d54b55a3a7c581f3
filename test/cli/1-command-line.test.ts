/** What every command of `laneway` has in common: versions, help, and how it fails. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../broker/package-root.js'
import { laneway, onlyDocument } from './laneway.js'

const COMMANDS = [
  ['demo'],
  ['consume'],
  ['group'],
  ['group', 'skip'],
  ['group', 'seek'],
  ['group', 'reset'],
  ['metadata'],
  ['metadata', 'encode'],
  ['metadata', 'decode'],
]

test("--version says laneway's version, librdkafka's, and what is built into it", async () => {
  const { version } = Object(JSON.parse(readFileSync(sourceFile('package.json'), 'utf8')))
  const { status, stdout } = await laneway(['--version'])
  assert.is(status, 0)
  assert.match(stdout, `laneway ${version}`)
  assert.match(stdout, /librdkafka \d+\.\d+\.\d+/)
  for (const feature of ['ssl', 'sasl_scram', 'sasl_plain', 'sasl_oauthbearer', 'gzip', 'zstd', 'lz4']) {
    assert.match(stdout, feature)
  }
})

test('every command has a help that exits with 0', async () => {
  for (const command of [[], ...COMMANDS]) {
    const { status, stdout } = await laneway([...command, '--help'])
    assert.is(status, 0, command.join(' '))
    assert.match(stdout, `Usage: ${['laneway', ...command].join(' ')}`)
  }
})

test('a wrong command line fails before anything starts, and says what is wrong', async () => {
  const wrong: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['unknown'], /unknown command 'unknown'/],
    [['demo', '--message', '5'], /unknown option '--message'/],
    [['demo', '--messages', '0'], /--messages.*whole number from 1/],
    [['demo', '--keys', 'many'], /--keys.*whole number/],
    [['demo', '--order', 'value'], /--order.*key, partition, none/],
    [['consume', '--brokers', 'b', '--group', 'g', '--topic', 't'], /--handler/],
    [['consume', '--group', 'g', '--topic', 't', '--handler', 'h'], /--brokers/],
    [['consume', '--brokers', 'b', '--group', 'g', '--handler', 'h'], /--topic/],
    [['group', '--brokers', 'b'], /--group/],
    [['group', '--brokers', 'b', '--group', 'g', '-X', 'nonsense'], /name=value/],
    [['metadata', 'encode', '--format', 'json'], /--format.*laneway, confluent/],
  ]
  for (const [args, says] of wrong) {
    const { status, stdout, stderr } = await laneway(args)
    assert.is(status, 2, args.join(' '))
    assert.is(stdout, '')
    assert.match(stderr, says)
  }
})

test('a failure has a code, an exit code, and with --json is the one document on stdout', async () => {
  const args = ['group', '--brokers', '127.0.0.1:1', '--group', 'g', '--timeout', '500', '--json']
  const ended = await laneway(args)
  assert.is(ended.status, 1)
  const { error } = onlyDocument(ended)
  const code = String(Object(error).code)
  assert.match(code, /^(BROKER_UNREACHABLE|TIMED_OUT)$/)
  assert.match(ended.stderr, code)
})

test.run()
