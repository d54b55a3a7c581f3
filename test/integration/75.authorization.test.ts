/** A cluster that denies access, on a real broker: run() rejects with a typed error that names what was denied. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ParallelConsumer } from '../../ts/consumer.js'
import { WITH_AUTHORIZER } from '../broker/broker.js'
import { brokerTest, errorOf, LogBook, optionsOf, sharedBroker } from './support.js'

const broker = sharedBroker({ properties: WITH_AUTHORIZER })

brokerTest('a denied topic rejects run(), and the consumer closes', async () => {
  const kafka = await broker()
  await kafka.createTopic('secret')
  await kafka.deny('topic', 'secret')
  const consumer = new ParallelConsumer(optionsOf(kafka, 'secret', { logger: new LogBook() }))
  const error = await errorOf(consumer.run(() => undefined))
  assert.is(error.code, 'AUTHORIZATION_FAILED')
  assert.is(error.kafkaError, 'TOPIC_AUTHORIZATION_FAILED')
  assert.match(error.message, 'secret')
  assert.is(consumer.health().state, 'failed')
  await consumer.close()
})

brokerTest('a denied group rejects run()', async () => {
  const kafka = await broker()
  await kafka.createTopic('open')
  await kafka.deny('group', 'open')
  const consumer = new ParallelConsumer(optionsOf(kafka, 'open', { logger: new LogBook() }))
  const error = await errorOf(consumer.run(() => undefined))
  assert.is(error.code, 'AUTHORIZATION_FAILED')
  assert.is(error.kafkaError, 'GROUP_AUTHORIZATION_FAILED')
})

brokerTest('a denied transactional id rejects run()', async () => {
  const kafka = await broker()
  await kafka.createTopic('paid')
  await kafka.deny('transactional-id', 'till')
  const options = optionsOf(kafka, 'paid', { transactional: { id: 'till' }, logger: new LogBook() })
  const error = await errorOf(new ParallelConsumer(options).run(() => undefined))
  assert.is(error.code, 'AUTHORIZATION_FAILED')
  assert.is(error.kafkaError, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
})

test.run()
