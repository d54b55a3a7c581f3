/** The command line on a real broker: `consume` leaves gaps behind when it is ended, and `group` shows them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../broker/package-root.js'
import { laneway, onlyDocument } from '../cli/laneway.js'
import { brokerTest, fill, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()
const TOPIC = 'shown'
const STALLED_KEY = 'key-0'

brokerTest('group shows the gaps that a stalled key has left, in numbers and as a picture', async () => {
  const kafka = await broker()
  await kafka.createTopic(TOPIC, { partitions: 1 })
  await fill(kafka, { topic: TOPIC, messages: 1_000, keys: 10, partitions: 1 })
  const ledger = newLedger()
  const options = {
    kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': TOPIC },
    topics: [TOPIC],
    commitInterval: 100,
  }
  const watched = new Watched(options, ledger, ({ key }) =>
    key?.toString() === STALLED_KEY ? new Promise(() => undefined) : undefined,
  )
  await until('the other keys', () => ledger.processed === 900)
  await watched.close('abort')

  const args = ['group', '--brokers', kafka.bootstrapServers, '--group', TOPIC]
  const { partitions } = onlyDocument(await laneway([...args, '--json']))
  assert.equal(partitions, [
    {
      topic: TOPIC,
      partition: 0,
      offset: 0,
      logStart: 0,
      logEnd: 1_000,
      lag: 1_000,
      format: 'laneway',
      highestSettled: 999,
      gaps: 100,
    },
  ])
  const { stdout } = await laneway(args)
  assert.match(stdout, /shown\s+0\s+0\s+1,000\s+1,000\s+laneway\s+999\s+100/)
  assert.match(stdout, /0 [█▓▒░·]{64} 999/u)
})

brokerTest('consume goes on where that consumer was ended, and leaves nothing', async () => {
  const kafka = await broker()
  const where = ['--brokers', kafka.bootstrapServers, '--group', TOPIC]
  const handler = ['--handler', sourceFile('examples/handler.mjs'), '--until-idle', '500']
  const ended = await laneway(['consume', ...where, '--topic', TOPIC, ...handler, '--json'])
  assert.is(ended.status, 0, ended.stderr)
  const { processed, skippedSettled } = onlyDocument(ended)
  assert.equal({ processed, skippedSettled }, { processed: 100, skippedSettled: 900 })
  const { partitions } = onlyDocument(await laneway(['group', ...where, '--json']))
  assert.ok(Array.isArray(partitions))
  const { offset, lag, format, gaps } = Object(partitions[0])
  assert.equal({ offset, lag, format, gaps }, { offset: 1_000, lag: 0, format: 'none', gaps: 0 })
})

test.run()
