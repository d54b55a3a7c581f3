/** What goes wrong around a consumer is said with a typed error, and never hangs. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LanewayError } from '../../ts/errors.js'
import { javaProgram, kafkaClasspath } from '../broker/kafka-jars.js'
import { brokerTest, fill, group, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()

async function codeOf(running: Promise<void>): Promise<string> {
  const error: unknown = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return LanewayError.is(error) ? error.code : String(error)
}

brokerTest('a topic that does not exist rejects run() with TOPIC_UNKNOWN', async () => {
  const kafka = await broker()
  const options = { kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'none' }, topics: ['missing'] }
  const watched = new Watched(options, newLedger())
  assert.is(await codeOf(watched.running), 'TOPIC_UNKNOWN')
})

brokerTest('a group that uses another protocol rejects run() with GROUP_PROTOCOL_MISMATCH', async () => {
  const kafka = await broker()
  await kafka.createTopic('shared', { partitions: 1 })
  await fill(kafka, { topic: 'shared', messages: 10, keys: 1, partitions: 1 })
  const with_ = (strategy: string) => ({
    kafka: {
      'bootstrap.servers': kafka.bootstrapServers,
      'group.id': 'shared',
      'partition.assignment.strategy': strategy,
    },
    topics: ['shared'],
  })
  const ledger = newLedger()
  await using first = new Watched(with_('range'), ledger)
  await until('the first member', () => ledger.processed >= 10)
  const second = new Watched(with_('cooperative-sticky'), newLedger())
  assert.is(await codeOf(second.running), 'GROUP_PROTOCOL_MISMATCH')
  await first.close()
})

brokerTest('transaction markers at the tail do not hold the committed offset back', async () => {
  const kafka = await broker()
  await kafka.createTopic('transactions', { partitions: 1 })
  const args = ['-cp', await kafkaClasspath(), 'org.apache.kafka.tools.ProducerPerformance']
  const numbers = ['--num-records', '500', '--record-size', '20', '--throughput', '-1']
  const transaction = ['--transactional-id', 't', '--transaction-duration-ms', '20']
  const props = ['--producer-props', `bootstrap.servers=${kafka.bootstrapServers}`]
  await promisify(execFile)(javaProgram(), [...args, '--topic', 'transactions', ...numbers, ...transaction, ...props])
  const ledger = newLedger('none')
  const options = {
    kafka: { 'bootstrap.servers': kafka.bootstrapServers, 'group.id': 'transactions' },
    topics: ['transactions'],
    commitInterval: 100,
  }
  const watched = new Watched(options, ledger)
  await until('all messages', () => ledger.processed >= 500)
  await until('the end to be committed', async () => {
    const [partition] = await group(kafka, 'transactions')
    return partition !== undefined && partition.offset === partition.logEnd
  })
  const [partition] = await group(kafka, 'transactions')
  await watched.close()
  assert.is(ledger.distinct, 500)
  assert.ok((partition?.logEnd ?? 0) > 500, 'the log has markers')
})

test.run()
