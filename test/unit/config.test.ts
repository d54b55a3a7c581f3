/** Options are checked in full at construction: every wrong field is named, nothing unknown passes, defaults are said. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ConfigIssue, LanewayError, ParallelConsumer, type ParallelConsumerOptions } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseBatchOptions, parseConfig } from '../../ts/config.js'
import { configTable } from '../../ts/config-table.js'
import { sourceFile } from '../broker/package-root.js'

const kafka = { 'bootstrap.servers': 'localhost:9092', 'group.id': 'g' }
const least = { kafka, topics: ['t'] } satisfies ParallelConsumerOptions

function errorOf(work: () => unknown): LanewayError {
  try {
    work()
  } catch (error) {
    if (LanewayError.is(error)) return error
    throw error
  }
  throw new Error('it was accepted')
}

function issuesOf(options: unknown): readonly ConfigIssue[] {
  const error = errorOf(() => parseConfig(options))
  assert.is(error.code, 'CONFIG_INVALID')
  return error.issues
}

const fieldsOf = (options: unknown): string[] => issuesOf(options).map(({ field }) => field)

test('a cluster, a group and a topic are enough; the rest has defaults', () => {
  const { order, concurrency, maxBufferedMessages, maxBufferedBytes, maxRunLength, ...rest } = parseConfig(least)
  assert.equal(
    { order, concurrency, maxBufferedMessages, maxBufferedBytes, maxRunLength },
    { order: 'key', concurrency: 256, maxBufferedMessages: 20_000, maxBufferedBytes: 64 * 2 ** 20, maxRunLength: 16 },
  )
  const { commitInterval, rebalanceTimeout, closeTimeout, metadata, retry } = rest
  assert.equal([commitInterval, rebalanceTimeout, closeTimeout], [1_000, 30_000, 30_000])
  assert.equal(metadata, { format: 'laneway', carrier: 'base32768', maxUnits: 4_096 })
  assert.is(retry.maxAttempts, 5)
  assert.type(retry.delay, 'function')
})

test('what is required is named', () => {
  assert.equal(fieldsOf({}).sort(), ['kafka', 'topics'])
  assert.equal(fieldsOf({ kafka: {}, topics: ['t'] }), ['kafka.bootstrap.servers', 'kafka.group.id'])
  assert.equal(fieldsOf({ kafka, topics: [] }), ['topics'])
  assert.equal(fieldsOf({ kafka, topics: [''] }), ['topics.0'])
  assert.equal(fieldsOf(undefined), ['options'])
})

test("librdkafka's own test cluster needs no bootstrap.servers", () => {
  assert.ok(parseConfig({ kafka: { 'test.mock.num.brokers': 3, 'group.id': 'g' }, topics: ['t'] }))
})

test('an unknown option is refused by its name, at every depth', () => {
  assert.equal(fieldsOf({ ...least, concurency: 5 }), ['concurency'])
  assert.equal(fieldsOf({ ...least, retry: { attempts: 3 } }), ['retry.attempts'])
  assert.equal(fieldsOf({ ...least, metadata: { encoding: 'x' } }), ['metadata.encoding'])
})

test('a wrong type and an impossible value are refused by name', () => {
  const wrong: readonly (readonly [field: string, options: object])[] = [
    ['concurrency', { concurrency: '5' }],
    ['concurrency', { concurrency: 0 }],
    ['concurrency', { concurrency: 100_001 }],
    ['concurrency', { concurrency: 1.5 }],
    ['concurrency', { concurrency: Number.NaN }],
    ['maxBufferedMessages', { maxBufferedMessages: -1 }],
    ['maxBufferedBytes', { maxBufferedBytes: Number.POSITIVE_INFINITY }],
    ['maxRunLength', { maxRunLength: 0 }],
    ['commitInterval', { commitInterval: 0 }],
    ['closeTimeout', { closeTimeout: -5 }],
    ['order', { order: 'value' }],
    ['retry.maxAttempts', { retry: { maxAttempts: 0 } }],
    ['retry.delay', { retry: { delay: -1 } }],
    ['retry.delay', { retry: { delay: 'soon' } }],
    ['metadata.format', { metadata: { format: 'json' } }],
    ['metadata.carrier', { metadata: { carrier: 'hex' } }],
    ['metadata.maxUnits', { metadata: { maxUnits: -1 } }],
    ['logger', { logger: { info() {} } }],
    ['engine', { engine: {} }],
    ['kafka.client.id', { kafka: { ...kafka, 'client.id': {} } }],
  ]
  for (const [field, options] of wrong)
    assert.equal(fieldsOf({ ...least, ...options }), [field], JSON.stringify(options))
})

test('no message about an option is empty talk', () => {
  const issues = issuesOf({ ...least, retry: { delay: 'soon' }, kafka: { ...kafka, 'client.id': {} }, logger: 5 })
  for (const { field, message } of issues) assert.not.match(message, /^Invalid input$/, field)
})

test('every wrong option is named at once, also those that contradict each other', () => {
  const fields = fieldsOf({ ...least, concurrency: 0, colour: 'red', rebalanceTimeout: 300_000 })
  assert.equal(fields.sort(), ['colour', 'concurrency', 'rebalanceTimeout'])
})

test('properties that laneway owns are refused, with the reason', () => {
  const owned = ['enable.auto.commit', 'enable.auto.offset.store', 'enable.partition.eof', 'auto.commit.interval.ms']
  for (const name of owned) {
    const [issue] = issuesOf({ kafka: { ...kafka, [name]: 'true' }, topics: ['t'] })
    assert.is(issue?.field, `kafka.${name}`)
    assert.match(issue?.message ?? '', /laneway|commitInterval/)
  }
})

test('a revoke may not wait longer than the group waits for the member', () => {
  const strict = { ...kafka, 'max.poll.interval.ms': 20_000 }
  assert.equal(fieldsOf({ kafka: strict, topics: ['t'] }), ['rebalanceTimeout'])
  assert.ok(parseConfig({ kafka: strict, topics: ['t'], rebalanceTimeout: 19_999 }))
  assert.equal(fieldsOf({ ...least, rebalanceTimeout: 300_000 }), ['rebalanceTimeout'])
})

test('batches have defaults, and what cannot be is refused by name', () => {
  const config = parseConfig({ ...least, concurrency: 50, rebalanceTimeout: 1_000 })
  assert.equal(parseBatchOptions({}, config), {
    maxMessages: 100,
    maxBytes: 2 ** 20,
    linger: 0,
    lanes: 'one',
    sameKey: false,
  })
  const refused = (options: unknown) =>
    errorOf(() => parseBatchOptions(options, config)).issues.map(({ field }) => field)
  assert.equal(refused({ size: 5 }), ['size'])
  assert.equal(refused({ maxMessages: 0, maxBytes: 0, linger: -1, lanes: 'all' }), [
    'maxMessages',
    'maxBytes',
    'linger',
    'lanes',
  ])
  assert.equal(refused({ sameKey: true }), ['sameKey'])
})

test('a batch of many lanes is not larger than concurrency, and does not linger beyond a revoke', () => {
  const config = parseConfig({ ...least, concurrency: 50, rebalanceTimeout: 1_000 })
  const refused = (options: object) =>
    errorOf(() => parseBatchOptions({ lanes: 'many', ...options }, config)).issues.map(({ field }) => field)
  assert.equal(refused({ maxMessages: 51 }), ['maxMessages'])
  assert.equal(refused({ maxMessages: 50, linger: 1_000 }), ['linger'])
  assert.equal(refused({ maxMessages: 51, linger: 1_000 }), ['maxMessages', 'linger'])
  assert.is(parseBatchOptions({ lanes: 'many', sameKey: true, maxMessages: 51 }, config).maxMessages, 51)
  assert.is(parseBatchOptions({ lanes: 'many', maxMessages: 50, linger: 999 }, config).linger, 999)
  // Lanes of their own are not leased while they linger.
  assert.is(parseBatchOptions({ linger: 5_000 }, config).linger, 5_000)
})

test('a property that librdkafka does not know is refused at construction', () => {
  const error = errorOf(() => new ParallelConsumer({ kafka: { ...kafka, 'fetch.max.byte': 1 }, topics: ['t'] }))
  assert.is(error.code, 'CONFIG_INVALID')
  assert.is(error.issues[0]?.field, 'kafka.fetch.max.byte')
})

test('a password never shows in the error about it', () => {
  const properties = { ...kafka, 'ssl.key.password': 'hunter2', 'sasl.mechanism': 'NONSENSE', 'fetch.max.byte': 1 }
  const error = errorOf(() => new ParallelConsumer({ kafka: properties, topics: ['t'] }))
  assert.not.match(`${error.message} ${JSON.stringify(error.issues)}`, 'hunter2')
})

test('the table has a row for every option', () => {
  const table = configTable()
  for (const name of ['kafka', 'topics', 'retry.delay', 'metadata.maxUnits', 'engine']) {
    assert.match(table, `| \`${name}\` |`)
  }
  assert.not.match(table, 'undefined')
})

const readme = join(dirname(sourceFile('package.json')), 'README.md')
const readmeTest = existsSync(readme) ? test : test.skip

readmeTest("the README's table is this table", () => {
  const written = /<!-- config -->([\s\S]*?)<!-- \/config -->/.exec(readFileSync(readme, 'utf8'))?.[1]
  assert.is(written?.trim(), configTable().trim())
})

test.run()
