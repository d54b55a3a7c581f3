/**
 * `laneway consume` and `laneway group`, against an embedded broker that lives in this process. That broker cannot list
 * what a group has committed: test/integration shows a group that has.
 */
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MockBroker, TestProducer } from 'laneway/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../broker/package-root.js'
import { laneway, onlyDocument, startLaneway } from './laneway.js'

interface Setting {
  broker: MockBroker
  folder: string
}

const test = suite<Setting>('consume and group', { broker: undefined as never, folder: '' })

test.before(async (setting) => {
  setting.broker = new MockBroker()
  setting.folder = await mkdtemp(join(tmpdir(), 'laneway-cli-'))
})

test.after(async ({ broker, folder }) => {
  broker.close()
  await rm(folder, { recursive: true, force: true })
})

async function topicWith({ broker }: Setting, topic: string, count: number): Promise<void> {
  broker.createTopic(topic, 2)
  const producer = new TestProducer({ 'bootstrap.servers': broker.bootstrapServers })
  for (let i = 0; i < count; i += 1) await producer.send({ topic, key: `key ${i % 7}`, value: `value ${i}` })
  await producer.flush()
  await producer.close()
}

async function handlerFile({ folder }: Setting, name: string, source: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, source)
  return file
}

function consumeArgs({ broker }: Setting, topic: string, handler: string, ...more: readonly string[]): string[] {
  const where = ['--brokers', broker.bootstrapServers, '--group', `group of ${topic}`, '--topic', topic]
  return [
    'consume',
    ...where,
    '--handler',
    handler,
    '-X',
    'session.timeout.ms=1500',
    '-X',
    'heartbeat.interval.ms=300',
    ...more,
  ]
}

test('a handler module is run for every message, until nothing comes any more', async (setting) => {
  await topicWith(setting, 'orders', 500)
  const output = join(setting.folder, 'orders.txt')
  const source = `import { appendFileSync } from 'node:fs'
    export default async ({ value }) => appendFileSync(${JSON.stringify(output)}, value + '\\n')`
  const handler = await handlerFile(setting, 'append.mjs', source)
  const ended = await laneway(consumeArgs(setting, 'orders', handler, '--until-idle', '500', '--json'))
  assert.is(ended.status, 0, ended.stderr)
  assert.is(onlyDocument(ended)['processed'], 500)
  const seen = (await readFile(output, 'utf8')).trimEnd().split('\n')
  assert.is(new Set(seen).size, 500)
})

test('group says so where a group has committed nothing', async (setting) => {
  const args = ['group', '--brokers', setting.broker.bootstrapServers, '--group', 'nobody']
  const { status, stdout } = await laneway(args)
  assert.is(status, 0)
  assert.match(stdout, 'nothing')
  assert.equal(onlyDocument(await laneway([...args, '--json']))['partitions'], [])
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} lets the running handler end, commits, and exits with 0`, async (setting) => {
    const topic = `ended-by-${signal}`
    await topicWith(setting, topic, 1)
    const source = `export default () => {
      process.stderr.write('handler runs')
      return new Promise((resolve) => process.once('${signal}', () => setTimeout(resolve, 100)))
    }`
    const handler = await handlerFile(setting, `${topic}.mjs`, source)
    const { child, ended } = startLaneway(consumeArgs(setting, topic, handler, '--json'))
    while (!String((await once(child.stderr ?? child, 'data'))[0]).includes('handler runs'));
    child.kill(signal)
    const result = await ended
    assert.is(result.status, 0, result.stderr)
    assert.is(onlyDocument(result)['processed'], 1)
  })
}

test('a handler that always fails ends the command with its code', async (setting) => {
  await topicWith(setting, 'poison', 1)
  const handler = await handlerFile(setting, 'poison.mjs', "export default () => { throw new Error('bad message') }")
  const ended = await laneway(consumeArgs(setting, 'poison', handler, '--max-attempts', '2', '--json'))
  assert.is(ended.status, 1)
  assert.is(Object(onlyDocument(ended)['error']).code, 'RETRIES_EXHAUSTED')
  assert.match(ended.stderr, 'bad message')
})

test('a handler module that is missing, broken or without a function is refused', async (setting) => {
  const files = [
    join(setting.folder, 'not-there.mjs'),
    await handlerFile(setting, 'broken.mjs', 'export default ('),
    await handlerFile(setting, 'no-function.mjs', 'export default 5'),
  ]
  for (const file of files) {
    const { status, stderr } = await laneway(consumeArgs(setting, 'orders', file))
    assert.is(status, 1)
    assert.match(stderr, 'HANDLER_MODULE_INVALID')
  }
})

test('the example of a handler works', async (setting) => {
  await topicWith(setting, 'examples', 20)
  const args = consumeArgs(setting, 'examples', sourceFile('examples/handler.mjs'), '--until-idle', '300', '--json')
  const ended = await laneway(args)
  assert.is(ended.status, 0, ended.stderr)
  assert.is(onlyDocument(ended)['processed'], 20)
})

test('a librdkafka property that does not exist is refused by its name', async (setting) => {
  const handler = await handlerFile(setting, 'nothing.mjs', 'export default () => undefined')
  const { status, stderr } = await laneway(consumeArgs(setting, 'orders', handler, '-X', 'fetch.max.byte=1'))
  assert.is(status, 1)
  assert.match(stderr, /CONFIG_INVALID.*fetch\.max\.byte/s)
})

test.run()
